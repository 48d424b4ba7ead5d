# SPDX-License-Identifier: MIT
"""Run a program isolated at one of three strengths: chroot jail, namespace container, KVM guest.

>>> import virtiso
>>> root = virtiso.Root(programs=["/usr/bin/python3"])
>>> with virtiso.Container(root, memory_max="256M") as box:        # or Jail, or Guest
...     print(box.run(["python3", "-c", "print(6 * 7)"], timeout=2).stdout)
42

The same root file system and the same command run at each strength. :func:`run` is the shortest way for one command.

Objects may be used by several threads. After os.fork() they belong to the parent: the child's calls raise ForkedHandle.
"""

from subprocess import DEVNULL, PIPE, STDOUT

from . import native
from ._enums import (
    CopyMethod,
    EntryState,
    EntryType,
    Feature,
    Hardening,
    ImageFormat,
    Isolation,
    Keep,
    LogLevel,
    Network,
    Provider,
    Reason,
    Rlimit,
    Stage,
)
from ._errors import (
    AlreadyExists,
    Canceled,
    Closed,
    CommandFailed,
    Error,
    ForkedHandle,
    Interrupted,
    InvalidArgument,
    LauncherDied,
    NotADirectory,
    NotFound,
    NotSupported,
    PermissionDenied,
    ProcessEnded,
    TimeoutExpired,
)
from ._log import set_log_handler
from ._machine import FeatureReport, Machine
from ._manifest import Entry, Manifest
from ._process import Process
from ._result import Result, Usage
from ._root import Root, User
from ._run import run
from ._sandbox import Container, Guest, Jail, Sandbox

__all__ = [
    "AlreadyExists",
    "Canceled",
    "Closed",
    "CommandFailed",
    "Container",
    "CopyMethod",
    "DEVNULL",
    "Entry",
    "EntryState",
    "EntryType",
    "Error",
    "Feature",
    "FeatureReport",
    "ForkedHandle",
    "Guest",
    "Hardening",
    "ImageFormat",
    "Interrupted",
    "InvalidArgument",
    "Isolation",
    "Jail",
    "Keep",
    "LauncherDied",
    "LogLevel",
    "Machine",
    "Manifest",
    "Network",
    "NotADirectory",
    "NotFound",
    "NotSupported",
    "PIPE",
    "PermissionDenied",
    "Process",
    "ProcessEnded",
    "Provider",
    "Reason",
    "Result",
    "Rlimit",
    "Root",
    "STDOUT",
    "Sandbox",
    "Stage",
    "TimeoutExpired",
    "Usage",
    "User",
    "run",
    "set_log_handler",
]

_version = native.viso_version()
__version__ = f"{_version >> 16}.{_version >> 8 & 255}.{_version & 255}"
