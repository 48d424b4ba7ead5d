# SPDX-License-Identifier: MIT
"""How a command ended."""

from __future__ import annotations

import errno
import signal
from dataclasses import dataclass
from typing import Any, Dict, Optional

from . import native
from ._enums import Reason, Stage
from ._errors import CommandFailed, TimeoutExpired
from ._usage import Usage


@dataclass(frozen=True)
class Result:
    """How a command ended: a :class:`subprocess.CompletedProcess` that knows the reason.

    ``returncode`` is the exit code, or the negative number of the signal that ended the program, as in
    :mod:`subprocess`; where neither is known (a virtual machine that failed) it is -9. ``exit_code`` and ``signal`` are
    None where they do not apply. ``stdout`` and ``stderr`` are None where they were not captured. ``registers`` and
    ``fault_address`` are those of a guest's program that ended by a signal or fault.

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
    fault_address: Optional[int] = None
    registers: Optional[Dict[str, int]] = None

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


def read_returncode(handle: native.viso_result) -> int:
    """The exit code, or a negative signal number, of a raw result."""
    exit_code = native.viso_result_exit_code(handle)
    if exit_code >= 0:
        return exit_code
    return -(native.viso_result_signal(handle) or signal.SIGKILL)
