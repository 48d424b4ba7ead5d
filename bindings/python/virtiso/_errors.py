# SPDX-License-Identifier: MIT
"""What is raised: one class for each kind of failure, all of them :class:`Error`, each also the built-in one for its errno."""

from __future__ import annotations

import errno
import subprocess
from typing import TYPE_CHECKING, Any, Dict, Optional, Type

from ._enums import Stage

if TYPE_CHECKING:
    from ._result import Result


class Error(OSError):
    """A call of the library failed.

    ``errno`` says what kind of failure it is, ``stage`` in which part of the work it happened, ``object`` on what (a path,
    a system call, a setting), and ``str()`` is a sentence for a person.

    >>> try:
    ...     box.run(["no-such-program"])
    ... except virtiso.Error as error:
    ...     print(error.stage.name, error)
    """

    stage: Stage
    object: str

    def __init__(self, number: int, message: str, stage: Stage = Stage.NONE, object: str = "") -> None:
        super().__init__(number, message)
        self.stage = stage
        self.object = object

    def __str__(self) -> str:
        return str(self.strerror)


class InvalidArgument(Error, ValueError):
    """EINVAL: an argument, or the order of calls."""


class PermissionDenied(Error, PermissionError):
    """EPERM, EACCES: the caller may not do this."""


class NotFound(Error, FileNotFoundError):
    """ENOENT: no such program, file, library or directory."""


class AlreadyExists(Error, FileExistsError):
    """EEXIST, ENOTEMPTY: the target is there already, or has contents."""


class NotADirectory(Error, NotADirectoryError):
    """ENOTDIR"""


class NotSupported(Error):
    """EOPNOTSUPP, ENOSYS, ENODEV: this host, kernel or strength cannot do it; the message says what is missing."""


class Closed(Error, ValueError):
    """ESTALE: the sandbox is closed."""


class ProcessEnded(Error, ProcessLookupError):
    """ESRCH: the command has ended."""


class ForkedHandle(Error, ChildProcessError):
    """ECHILD: the object was made before a fork(); only the process that made it can use it."""


class LauncherDied(Error, BrokenPipeError):
    """EPIPE: the library's launcher was killed from outside."""


class Canceled(Error):
    """ECANCELED: building was canceled, by :meth:`Root.cancel` or by its progress handler; or a call, by :meth:`Guest.cancel`."""


class Interrupted(Error, InterruptedError):
    """EINTR: a signal handler ran."""


class TimeoutExpired(Error, TimeoutError, subprocess.TimeoutExpired):
    """ETIMEDOUT: a command still runs (:meth:`Process.wait`), or was ended at its ``timeout`` (with ``check=True``).

    It is a :class:`subprocess.TimeoutExpired` too, with ``cmd``, ``timeout``, ``stdout`` and ``stderr``.
    """

    def __init__(self, number: int, message: str, stage: Stage = Stage.NONE, object: str = "") -> None:
        super().__init__(number, message, stage, object)
        self.cmd: Any = None
        self.timeout: Any = None
        self.output: Any = None
        self.stderr: Any = None
        self.result: Optional[Result] = None


class CommandFailed(subprocess.CalledProcessError):
    """With ``check=True``: the command did not exit with code 0. ``result`` says how it ended.

    It is no :class:`Error`: the library did what it was asked for.
    """

    def __init__(self, result: Result) -> None:
        super().__init__(result.returncode, result.args, result.stdout, result.stderr)
        self.result = result

    def __str__(self) -> str:
        return f"command {self.cmd!r}: {self.result.describe()}"

    def __reduce__(self) -> Any:
        return type(self), (self.result,)


_CLASSES: Dict[int, Type[Error]] = {
    errno.EINVAL: InvalidArgument,
    errno.EPERM: PermissionDenied,
    errno.EACCES: PermissionDenied,
    errno.ENOENT: NotFound,
    errno.EEXIST: AlreadyExists,
    errno.ENOTEMPTY: AlreadyExists,
    errno.ENOTDIR: NotADirectory,
    errno.EOPNOTSUPP: NotSupported,
    errno.ENOSYS: NotSupported,
    errno.ENODEV: NotSupported,
    errno.ESTALE: Closed,
    errno.ESRCH: ProcessEnded,
    errno.ECHILD: ForkedHandle,
    errno.EPIPE: LauncherDied,
    errno.ECANCELED: Canceled,
    errno.EINTR: Interrupted,
    errno.ETIMEDOUT: TimeoutExpired,
}


def from_native(number: int, message: str, stage: int, object: str) -> Error:
    """The exception for an error of the library; called by the raw module."""
    try:
        known_stage = Stage(stage)
    except ValueError:  # of a library that is newer than this package
        known_stage = Stage.NONE
    return _CLASSES.get(number, Error)(number, message, known_stage, object)
