# SPDX-License-Identifier: MIT
"""Run a program isolated at one of three strengths: chroot jail, namespace container, KVM guest.

>>> import virtiso
>>> root = virtiso.Root(programs=["/usr/bin/python3"])
>>> with virtiso.Container(root, memory_max="256M") as box:        # or Jail, or Guest
...     print(box.run(["python3", "-c", "print(6 * 7)"], timeout=2).stdout)
42

The same root file system and the same command run at each strength. :func:`run` is the shortest way for one command.

A failed call raises :class:`Error`, an OSError, or one of its kinds. Its message may name functions as the C library does:
viso_guest_initialise() is :meth:`Guest.initialise`, viso_root_add_program() is :meth:`Root.add_program`.

Objects may be used by several threads. After os.fork() they belong to the parent: the child's calls raise ForkedHandle.
"""

from subprocess import DEVNULL, PIPE, STDOUT

from . import native
from ._command import Command
from ._container import Container
from ._container_options import Bind, Hook, IdMap, Port, Rule, Tmpfs
from ._enums import (
    Agent,
    CapabilitySet,
    Clock,
    Confidence,
    Console,
    CopyMethod,
    DeviceKind,
    DriverState,
    EntryState,
    EntryType,
    EventKind,
    EvidenceSide,
    Family,
    Feature,
    Hardening,
    HookPoint,
    HypercallWay,
    IdKind,
    ImageFormat,
    IoRate,
    Isolation,
    Keep,
    Landlock,
    LayerKind,
    LayerRole,
    LogLevel,
    MemoryFigure,
    MountFlag,
    Namespace,
    Network,
    Placement,
    Platform,
    Protocol,
    Provider,
    Reason,
    Rlimit,
    RootMedium,
    Scheduler,
    Shutdown,
    SeccompProfile,
    Stage,
    Statistic,
    Step,
    SyscallAction,
    Traffic,
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
from ._guest import Guest, prepare_guests
from ._hypercall import Hypercall
from ._kernel_options import Disk, Interface, Rate, Share
from ._log import set_log_handler
from ._machine import (
    Device,
    Driver,
    Evidence,
    FeatureReport,
    HypercallReport,
    Layer,
    Machine,
    ParavirtualFeature,
    Tool,
)
from ._manifest import Entry, Manifest
from ._notification import Notification
from ._process import Process
from ._result import Result
from ._root import Root, User
from ._run import run
from ._sandbox import Event, Jail, Sandbox
from ._snapshot import Snapshot
from ._usage import Usage

__all__ = [
    "Agent",
    "AlreadyExists",
    "Bind",
    "Canceled",
    "CapabilitySet",
    "Clock",
    "Closed",
    "Command",
    "CommandFailed",
    "Confidence",
    "Console",
    "Container",
    "CopyMethod",
    "DeviceKind",
    "DEVNULL",
    "Device",
    "Disk",
    "Driver",
    "DriverState",
    "Entry",
    "EntryState",
    "EntryType",
    "Error",
    "Event",
    "EventKind",
    "Evidence",
    "EvidenceSide",
    "Family",
    "Feature",
    "FeatureReport",
    "ForkedHandle",
    "Guest",
    "Hardening",
    "Hook",
    "HookPoint",
    "Hypercall",
    "HypercallReport",
    "HypercallWay",
    "IdKind",
    "IdMap",
    "ImageFormat",
    "Interface",
    "Interrupted",
    "InvalidArgument",
    "IoRate",
    "Isolation",
    "Jail",
    "Keep",
    "Landlock",
    "LauncherDied",
    "Layer",
    "LayerKind",
    "LayerRole",
    "LogLevel",
    "Machine",
    "Manifest",
    "MemoryFigure",
    "MountFlag",
    "Namespace",
    "Network",
    "NotADirectory",
    "NotFound",
    "NotSupported",
    "Notification",
    "PIPE",
    "ParavirtualFeature",
    "PermissionDenied",
    "Placement",
    "Platform",
    "Port",
    "Process",
    "ProcessEnded",
    "Protocol",
    "Provider",
    "Rate",
    "Reason",
    "Result",
    "Rlimit",
    "Root",
    "RootMedium",
    "Rule",
    "STDOUT",
    "Sandbox",
    "Scheduler",
    "SeccompProfile",
    "Share",
    "Snapshot",
    "Shutdown",
    "Stage",
    "Statistic",
    "Step",
    "SyscallAction",
    "Traffic",
    "TimeoutExpired",
    "Tmpfs",
    "Tool",
    "Usage",
    "User",
    "prepare_guests",
    "run",
    "set_log_handler",
]

# Tracebacks and help() tell the names by which they are found.
for _name in __all__:
    if isinstance(globals()[_name], type) and globals()[_name].__module__.startswith("virtiso._"):
        globals()[_name].__module__ = "virtiso"

_version = native.viso_version()
__version__ = f"{_version >> 16}.{_version >> 8 & 255}.{_version & 255}"
