# SPDX-License-Identifier: MIT
"""System calls of a container that the host program answers."""

from __future__ import annotations

from typing import IO, Any, Union

from . import native


class Notification:
    """A system call that waits for an answer: a rule with the action "notify" (:class:`Rule`) asked for it.

    It is answered once; one that is dropped without an answer fails with ENOSYS.

    >>> process = box.spawn(["mkdir", "/x"])
    >>> call = process.next_notification(timeout=5)
    >>> call.name, call.read_string(call.argument(0))
    ('mkdir', '/x')
    >>> call.refuse(errno.EPERM)
    """

    def __init__(self, handle: native.viso_notification) -> None:
        self._handle = handle

    @property
    def name(self) -> str:
        """The name of the system call."""
        return native.viso_notification_name(self._handle)

    @property
    def number(self) -> int:
        """Its number on this processor."""
        return native.viso_notification_number(self._handle)

    @property
    def pid(self) -> int:
        """The process that made it, by its id on the host."""
        return native.viso_notification_pid(self._handle)

    def argument(self, index: int) -> int:
        """An argument of the call, 0 to 5."""
        return native.viso_notification_argument(self._handle, index)

    def read(self, address: int, size: int) -> bytes:
        """Bytes out of the memory of the process. Another thread of it may change them afterwards."""
        return native.viso_notification_read(self._handle, address, size)

    def read_string(self, address: int, size: int = 4096) -> str:
        """A string out of the memory of the process, up to its NUL."""
        return self.read(address, size).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def answer(self, value: int = 0) -> None:
        """The call is not made and returns this value."""
        native.viso_notification_answer(self._handle, value)

    def refuse(self, error: int) -> None:
        """The call is not made and fails with this errno."""
        native.viso_notification_refuse(self._handle, error)

    def proceed(self) -> None:
        """The call is made as if there were no rule."""
        native.viso_notification_continue(self._handle)

    def answer_fd(self, file: Union[int, IO[Any]]) -> None:
        """The call is not made and returns a new fd, a duplicate of this file of the host's."""
        native.viso_notification_answer_fd(self._handle, file if isinstance(file, int) else file.fileno())

    def __repr__(self) -> str:
        return f"<virtiso.Notification {self.name} of process {self.pid}>"
