# SPDX-License-Identifier: MIT
"""The frozen state of a guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import native
from ._paths import StrPath

if TYPE_CHECKING:
    from ._guest import Guest


class Snapshot:
    """The frozen state of an initialised guest (:meth:`Guest.snapshot`), which clones go on from. It never changes.

    >>> snapshot = guest.snapshot()
    >>> with snapshot.clone() as clone:
    ...     clone.request(b"...")
    """

    def __init__(self, handle: native.viso_snapshot, origin: Guest) -> None:
        self._handle = handle
        self._origin = origin

    def clone(self) -> Guest:
        """A guest of its own that goes on from here, in about the time that a virtual machine takes to make."""
        return self._origin._clone(native.viso_snapshot_clone(self._handle))

    def save(self, path: StrPath) -> None:
        """Write it to a file, which holds all that the program has in memory. What cannot be saved is named: :class:`NotSupported`."""
        native.viso_snapshot_save(self._handle, path)

    @classmethod
    def load(cls, path: StrPath, guest: Guest) -> Snapshot:
        """Read it from a file, for the same build of the library and a processor with the same features.

        :param guest: one that has not run anything, with the root and settings that the clones shall have
        """
        if not hasattr(guest, "_build"):
            raise TypeError(f"guest must be a virtiso.Guest, not {guest!r}")
        return cls(guest._build(lambda: native.viso_snapshot_load(path, guest._handle)), guest)

    @property
    def size(self) -> int:
        """The bytes of memory that all clones share."""
        return native.viso_snapshot_size(self._handle)

    def __repr__(self) -> str:
        return f"<virtiso.Snapshot of {self.size} bytes>"
