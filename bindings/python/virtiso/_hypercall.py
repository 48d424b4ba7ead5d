# SPDX-License-Identifier: MIT
"""What programs of a guest ask the host program for."""

from __future__ import annotations

from . import native
from ._paths import Bytes


class Hypercall:
    """A hypercall of a guest's program, which waits for its answer.

    >>> def add(call):
    ...     return call.argument(0) + call.argument(1)
    >>> guest = virtiso.Guest(root, hypercalls={1: add})
    """

    def __init__(self, handle: native.viso_hypercall) -> None:
        self._handle = handle

    @property
    def number(self) -> int:
        """Its number, 0 to 1023."""
        return native.viso_hypercall_number(self._handle)

    def argument(self, index: int) -> int:
        """An argument, 0 to 5."""
        return native.viso_hypercall_argument(self._handle, index)

    def read(self, address: int, size: int) -> bytes:
        """Bytes out of the memory of the program."""
        return native.viso_hypercall_read(self._handle, address, size)

    def write(self, address: int, data: Bytes) -> None:
        """Puts bytes into the memory of the program."""
        native.viso_hypercall_write(self._handle, address, data)

    def defer(self) -> None:
        """For a handler: what it returns does not count; :meth:`answer` or :meth:`refuse` comes later, from any thread."""
        native.viso_hypercall_defer(self._handle)

    def answer(self, value: int = 0) -> None:
        """Answer one that was queued or deferred. -4095 to -1 are errnos: for these there is :meth:`refuse`."""
        native.viso_hypercall_answer(self._handle, value)

    def refuse(self, error: int) -> None:
        """Answer it with an errno."""
        native.viso_hypercall_refuse(self._handle, error)

    def __repr__(self) -> str:
        return f"<virtiso.Hypercall {self.number}>"
