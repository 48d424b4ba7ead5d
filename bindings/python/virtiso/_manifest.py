# SPDX-License-Identifier: MIT
"""What a root contains, and why."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Optional, Sequence, Tuple, Union, overload

from . import native
from ._enums import EntryState, EntryType
from ._paths import StrPath


class Entry(NamedTuple):
    """One file, directory, link or device of a root."""

    path: str
    type: EntryType
    mode: int
    size: int
    sha256: str
    link: str
    reason: str
    state: EntryState


class Manifest(Sequence[Entry]):
    """What a root contains, entry by entry, and why each entry is there.

    :meth:`Root.plan`, :meth:`Root.manifest` and :meth:`Root.verify` give it; it does not change.

    >>> for entry in root.plan():
    ...     print(entry.path, entry.size, entry.reason)
    """

    def __init__(self, handle: native.viso_manifest) -> None:
        self._handle = handle

    @classmethod
    def load(cls, path: StrPath) -> Manifest:
        """Read a manifest that :meth:`save` wrote."""
        return cls(native.viso_manifest_load(path))

    def save(self, path: StrPath) -> None:
        """Write it into a file, in the format of mtree(5)."""
        native.viso_manifest_save(self._handle, path)

    def verify(self, directory: StrPath) -> Manifest:
        """Compare a directory with this manifest; see :attr:`differences` of what is returned."""
        return Manifest(native.viso_manifest_verify(self._handle, directory))

    def get(self, path: StrPath) -> Optional[Entry]:
        """The entry at an absolute path in the root; None where there is none."""
        index = native.viso_manifest_find(self._handle, path)
        return None if index < 0 else self._entry(index)

    @property
    def differences(self) -> Tuple[Entry, ...]:
        """The entries that are not in the tree as they should be."""
        return tuple(entry for entry in self if entry.state != EntryState.RIGHT)

    def _entry(self, index: int) -> Entry:
        handle = self._handle
        return Entry(
            native.viso_manifest_path(handle, index),
            EntryType(native.viso_manifest_type(handle, index)),
            native.viso_manifest_mode(handle, index),
            native.viso_manifest_size(handle, index),
            native.viso_manifest_sha256(handle, index),
            native.viso_manifest_link(handle, index),
            native.viso_manifest_reason(handle, index),
            EntryState(native.viso_manifest_state(handle, index)),
        )

    def __len__(self) -> int:
        return native.viso_manifest_count(self._handle)

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Tuple[Entry, ...]: ...
    def __getitem__(self, index: Union[int, slice]) -> Union[Entry, Tuple[Entry, ...]]:
        if isinstance(index, slice):
            return tuple(self._entry(i) for i in range(*index.indices(len(self))))
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError("no such entry")
        return self._entry(position)

    def __iter__(self) -> Iterator[Entry]:
        return (self._entry(i) for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<virtiso.Manifest of {len(self)} entries>"
