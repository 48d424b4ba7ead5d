# SPDX-License-Identifier: MIT
"""Root file systems."""

from __future__ import annotations

import os
import threading
from typing import Iterable, Mapping, Optional, Tuple, Union

from . import native
from ._errors import InvalidArgument

StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
#: A path on the host, alone or with the path that it gets in the root.
HostPath = Union[StrPath, Tuple[StrPath, StrPath]]
Bytes = Union[bytes, bytearray, memoryview]
#: What a file of the root contains, alone or with its permission bits.
Data = Union[str, Bytes, Tuple[Union[str, Bytes], int]]


class Root:
    """A root file system: programs with everything that they need, files and data, or an existing directory.

    :param programs: absolute paths on the host, or names that are looked up in the default PATH; each brings its loader,
        libraries, interpreter, and a Python its standard library
    :param files: files of the host; ``"/etc/services"``, or ``("/home/me/my.conf", "/etc/my.conf")`` to give it another path
    :param directories: directories of the host with all that is below them, written like ``files``
    :param data: contents of files by their path in the root; a ``str`` is written as UTF-8; ``(contents, 0o755)`` sets the
        permission bits, which else are ``0o644``
    :param path: where to build it; that directory is kept. Else it is built in a directory of the library's own, which is
        removed with the last use of the root
    :param directory: an existing directory that is used as it is; then nothing can be added

    >>> root = virtiso.Root(programs=["/usr/bin/python3"], data={"/etc/motd": "hello"})

    Any number of sandboxes may share a root. It is built by the first of them, or by :meth:`build`.
    """

    def __init__(
        self,
        *,
        programs: Iterable[StrPath] = (),
        files: Iterable[HostPath] = (),
        directories: Iterable[HostPath] = (),
        data: Optional[Mapping[str, Data]] = None,
        path: Optional[StrPath] = None,
        directory: Optional[StrPath] = None,
    ) -> None:
        for name, value in ("programs", programs), ("files", files), ("directories", directories):
            if isinstance(value, (str, bytes, os.PathLike)):
                raise TypeError(f"{name} must be a list of paths, not one path")
        self._lock = threading.Lock()
        self._handle = native.viso_root_new()
        if directory is not None:
            native.viso_root_use_directory(self._handle, directory)
        if path is not None:
            native.viso_root_set_path(self._handle, path)
        for program in programs:
            self.add_program(program)
        for file in files:
            self.add_file(*_path_and_target(file))
        for tree in directories:
            self.add_directory(*_path_and_target(tree))
        for target, contents in (data or {}).items():
            if isinstance(contents, tuple):
                self.add_data(target, contents[0], contents[1])
            else:
                self.add_data(target, contents)

    def add_program(self, program: StrPath) -> None:
        """Add a program with everything that it needs."""
        with self._lock:
            native.viso_root_add_program(self._handle, program)

    def add_file(self, path: StrPath, target: Optional[StrPath] = None) -> None:
        """Add a file of the host, at ``target`` in the root or at the same path."""
        with self._lock:
            native.viso_root_add_file(self._handle, path, target)

    def add_directory(self, path: StrPath, target: Optional[StrPath] = None) -> None:
        """Add a directory of the host with all that is below it, at ``target`` in the root or at the same path."""
        with self._lock:
            native.viso_root_add_directory(self._handle, path, target)

    def add_data(self, target: StrPath, data: Union[str, Bytes], mode: int = 0o644) -> None:
        """Add a file with these contents."""
        contents = data.encode() if isinstance(data, str) else data
        with self._lock:
            native.viso_root_add_data(self._handle, target, contents, mode)

    def build(self) -> None:
        """Build the root now; without this call the first start of a sandbox does it."""
        native.viso_root_build(self._handle)

    @property
    def path(self) -> Optional[str]:
        """The directory on the host in which the root lies; None before it is built."""
        try:
            return native.viso_root_path(self._handle)
        except InvalidArgument:
            return None

    def __repr__(self) -> str:
        return f"<virtiso.Root at {self.path}>" if self.path else "<virtiso.Root, not built>"


def _path_and_target(entry: HostPath) -> Tuple[StrPath, Optional[StrPath]]:
    return entry if isinstance(entry, tuple) else (entry, None)
