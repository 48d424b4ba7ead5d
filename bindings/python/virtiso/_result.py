# SPDX-License-Identifier: MIT
"""How a command ended."""

from __future__ import annotations

import errno
import signal
from dataclasses import dataclass
from typing import Any, Optional

from . import native
from ._enums import Reason, Stage
from ._errors import CommandFailed, TimeoutExpired


@dataclass(frozen=True)
class Usage:
    """What a command used; None where its strength does not count something. Times are in seconds, memory in bytes."""

    wall_time: Optional[float]
    user_time: Optional[float]
    system_time: Optional[float]
    memory_peak: Optional[int]
    minor_faults: Optional[int]
    major_faults: Optional[int]
    blocks_in: Optional[int]
    blocks_out: Optional[int]
    voluntary_switches: Optional[int]
    involuntary_switches: Optional[int]


@dataclass(frozen=True)
class Result:
    """How a command ended: a :class:`subprocess.CompletedProcess` that knows the reason.

    ``returncode`` is the exit code, or the negative number of the signal that ended the program, as in
    :mod:`subprocess`; where neither is known (a virtual machine that failed) it is -9. ``exit_code`` and ``signal`` are
    None where they do not apply. ``stdout`` and ``stderr`` are None where they were not captured.

    >>> result = box.run(["sh", "-c", "exit 3"])
    >>> result.returncode, result.reason, result.describe()
    (3, <Reason.EXITED: 1>, 'exited with code 3')
    """

    args: Any
    returncode: int
    stdout: Any
    stderr: Any
    reason: Reason
    exit_code: Optional[int]
    signal: Optional[int]
    usage: Usage
    stdout_truncated: bool
    stderr_truncated: bool
    description: str
    timeout: Optional[float] = None

    @property
    def truncated(self) -> bool:
        """Whether captured output went beyond its bound and was cut."""
        return self.stdout_truncated or self.stderr_truncated

    def describe(self) -> str:
        """How the command ended, in words: "exited with code 3", "timed out", "out of memory"."""
        return self.description

    def check_returncode(self) -> None:
        """Raise :class:`TimeoutExpired` where the command timed out, :class:`CommandFailed` where it did not exit with 0."""
        if self.reason == Reason.TIMED_OUT:
            raise timeout_expired(self.args, self.timeout, self)
        if self.returncode != 0:
            raise CommandFailed(self)


def timeout_expired(args: Any, timeout: Optional[float], result: Optional[Result] = None) -> TimeoutExpired:
    """The exception for a command that ended at its time limit (with its result), or that still runs."""
    state = "timed out" if result else "still runs"
    error = TimeoutExpired(errno.ETIMEDOUT, f"command {args!r} {state} after {timeout} seconds", Stage.PROCESS, "wait")
    error.cmd = args
    error.timeout = timeout
    error.result = result
    if result:
        error.output = result.stdout
        error.stderr = result.stderr
    return error


def read_usage(handle: native.viso_result) -> Usage:
    """The figures of a raw result."""

    def figure(which: int) -> Optional[int]:
        return native.viso_result_usage(handle, which)

    def seconds(which: int) -> Optional[float]:
        microseconds = figure(which)
        return None if microseconds is None else microseconds / 1e6

    return Usage(
        wall_time=seconds(native.VISO_USAGE_WALL_US),
        user_time=seconds(native.VISO_USAGE_USER_US),
        system_time=seconds(native.VISO_USAGE_SYSTEM_US),
        memory_peak=figure(native.VISO_USAGE_MEMORY_PEAK),
        minor_faults=figure(native.VISO_USAGE_MINOR_FAULTS),
        major_faults=figure(native.VISO_USAGE_MAJOR_FAULTS),
        blocks_in=figure(native.VISO_USAGE_BLOCKS_IN),
        blocks_out=figure(native.VISO_USAGE_BLOCKS_OUT),
        voluntary_switches=figure(native.VISO_USAGE_VOLUNTARY_SWITCHES),
        involuntary_switches=figure(native.VISO_USAGE_INVOLUNTARY_SWITCHES),
    )


def read_returncode(handle: native.viso_result) -> int:
    """The exit code, or a negative signal number, of a raw result."""
    exit_code = native.viso_result_exit_code(handle)
    if exit_code >= 0:
        return exit_code
    return -(native.viso_result_signal(handle) or signal.SIGKILL)
