# SPDX-License-Identifier: MIT
"""Root file systems."""

from __future__ import annotations

import os
import threading
from typing import Any, Callable, Iterable, Mapping, NamedTuple, Optional, Tuple, TypeVar, Union

from . import native
from ._enums import CopyMethod, ImageFormat, Keep, Provider, by_name
from ._errors import Canceled, InvalidArgument
from ._manifest import Manifest
from ._paths import Bytes, Data, HostPath, StrPath

#: Hears bytes that are in place, bytes in all, and the path that is being made; what is true cancels.
Progress = Callable[[int, int, str], object]
_T = TypeVar("_T")


class User(NamedTuple):
    """A user of a root's /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: Optional[str] = None
    shell: Optional[str] = None


class Root:
    """A root file system: programs with everything that they need, files and data, or an existing directory.

    :param programs: absolute paths on the host, or names that are looked up in the default PATH; each brings its loader,
        libraries, interpreter, an interpreter its standard library, and what they load while they run
    :param libraries: shared libraries that the programs load by themselves (plugins): absolute paths or sonames
    :param packages: installed packages, with all their files
    :param files: files of the host; ``"/etc/services"``, or ``("/home/me/my.conf", "/etc/my.conf")`` to give it another path
    :param directories: directories of the host with all that is below them, written like ``files``
    :param data: contents of files by their path in the root; a ``str`` is written as UTF-8; ``(contents, 0o755)`` sets the
        permission bits, which else are ``0o644``
    :param devices: devices of the host, such as ``"/dev/tty"``
    :param users: of /etc/passwd: :class:`User`, or ``(name, uid, gid)``, with home and shell where wanted
    :param groups: of /etc/group: ``{name: gid}``
    :param source: another tree than the host's, from which all of this is taken
    :param archive: a tar archive to begin with; or ``(archive, where in the root)``
    :param image: a directory with an OCI image layout to begin with; or ``(directory, reference)``
    :param providers_off: rules that shall add nothing, such as ``["nss", "certificates"]``
    :param copy_method: "auto", "reflink", "bytes", "hardlink"
    :param store: a directory in which roots share their contents
    :param keep: "setuid", "capabilities", or a list of them: what is kept of files that give privileges
    :param progress: called with bytes done, bytes in all, and a path while it is built; what it raises is raised by the
        build, and where it returns something true, Canceled
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
        libraries: Iterable[StrPath] = (),
        packages: Iterable[StrPath] = (),
        files: Iterable[HostPath] = (),
        directories: Iterable[HostPath] = (),
        data: Optional[Mapping[str, Data]] = None,
        devices: Iterable[StrPath] = (),
        users: Iterable[Union[User, Tuple[Any, ...]]] = (),
        groups: Optional[Mapping[str, int]] = None,
        source: Optional[StrPath] = None,
        archive: Optional[HostPath] = None,
        image: Union[None, StrPath, Tuple[StrPath, str]] = None,
        providers_off: Iterable[Union[Provider, str]] = (),
        copy_method: Union[CopyMethod, str] = CopyMethod.AUTO,
        store: Optional[StrPath] = None,
        keep: Union[Keep, str, Iterable[Union[Keep, str]]] = Keep.NOTHING,
        progress: Optional[Progress] = None,
        path: Optional[StrPath] = None,
        directory: Optional[StrPath] = None,
    ) -> None:
        lists = {
            "programs": programs,
            "libraries": libraries,
            "packages": packages,
            "files": files,
            "directories": directories,
            "devices": devices,
            "providers_off": providers_off,
        }
        for name, value in lists.items():
            if isinstance(value, (str, bytes, os.PathLike)):
                raise TypeError(f"{name} must be a list, not one of them")
        self._lock = threading.Lock()
        self._handle = native.viso_root_new()
        self._raised: Optional[_Raised] = None
        if directory is not None:
            native.viso_root_use_directory(self._handle, directory)
        if source is not None:
            native.viso_root_set_source(self._handle, source)
        if image is not None:
            native.viso_root_add_image(self._handle, *_pair(image))
        if path is not None:
            native.viso_root_set_path(self._handle, path)
        for provider in providers_off:
            native.viso_root_set_provider(self._handle, by_name(Provider, provider), 0)
        self._set_building(by_name(CopyMethod, copy_method), store, _flags(keep), progress)
        if archive is not None:
            self.add_archive(*_pair(archive))
        for program in programs:
            self.add_program(program)
        for library in libraries:
            self.add_library(library)
        for package in packages:
            self.add_package(package)
        for file in files:
            self.add_file(*_pair(file))
        for tree in directories:
            self.add_directory(*_pair(tree))
        for target, contents in (data or {}).items():
            if isinstance(contents, tuple):
                self.add_data(target, contents[0], contents[1])
            else:
                self.add_data(target, contents)
        for device in devices:
            self.add_device(device)
        for group, gid in (groups or {}).items():
            self.add_group(group, gid)
        for user in users:
            self.add_user(*user)

    def _set_building(self, method: CopyMethod, store: Optional[StrPath], keep: Keep, progress: Optional[Progress]) -> None:
        if method != CopyMethod.AUTO:
            native.viso_root_set_copy_method(self._handle, method)
        if store is not None:
            native.viso_root_set_store(self._handle, store)
        if keep:
            native.viso_root_set_keep(self._handle, keep)
        if progress is not None:
            self.set_progress(progress)

    def add_program(self, program: StrPath) -> None:
        """Add a program with everything that it needs."""
        with self._lock:
            native.viso_root_add_program(self._handle, program)

    def add_library(self, library: StrPath) -> None:
        """Add a shared library that a program loads by itself, with the libraries that it needs."""
        with self._lock:
            native.viso_root_add_library(self._handle, library)

    def add_package(self, package: StrPath) -> None:
        """Add all files of an installed package, with what its programs and libraries need."""
        with self._lock:
            native.viso_root_add_package(self._handle, package)

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

    def add_device(self, path: StrPath) -> None:
        """Add a device of the host at the same path."""
        with self._lock:
            native.viso_root_add_device(self._handle, path)

    def add_user(
        self, name: str, uid: int, gid: int, home: Optional[StrPath] = None, shell: Optional[StrPath] = None
    ) -> None:
        """Add a user to /etc/passwd; the home is ``/`` and the shell ``/bin/sh`` where they are not given."""
        with self._lock:
            native.viso_root_add_user(self._handle, name, uid, gid, home, shell)

    def add_group(self, name: str, gid: int) -> None:
        """Add a group to /etc/group."""
        with self._lock:
            native.viso_root_add_group(self._handle, name, gid)

    def add_archive(self, path: StrPath, target: Optional[StrPath] = None) -> None:
        """Unpack a tar archive as a base, at ``target`` in the root or at ``/``."""
        with self._lock:
            native.viso_root_add_archive(self._handle, path, target)

    def set_progress(self, progress: Optional[Progress]) -> None:
        """Let ``progress(done, total, path)`` hear how far building is; None for nobody.

        It must not use the root, except for :meth:`cancel`, :attr:`path` and its repr.
        """
        if progress is None:
            native.viso_root_set_progress_handler(self._handle, None)
            return
        if not callable(progress):
            raise TypeError("progress must be callable or None")
        wanted = progress
        raised = _Raised()

        # Holds no reference to the root, which holds the handler.
        def pass_on(done: int, total: int, path: str) -> bool:
            try:
                return bool(wanted(done, total, path))
            except BaseException as error:
                raised.error = error
                return True

        native.viso_root_set_progress_handler(self._handle, pass_on)
        self._raised = raised

    def _build(self, call: Callable[[], _T]) -> _T:
        """Call what may build the root; what its progress handler raised is raised here."""
        try:
            return call()
        except Canceled:
            raised, error = self._raised, None
            if raised is not None:
                error, raised.error = raised.error, None
            if error is not None:
                raise error from None
            raise

    def plan(self) -> Manifest:
        """What the root would contain, without making anything."""
        with self._lock:
            return Manifest(native.viso_root_plan(self._handle))

    def build(self) -> None:
        """Build the root now; without this call the first start of a sandbox does it."""
        self._build(lambda: native.viso_root_build(self._handle))

    def update(self) -> int:
        """Bring the directory ``path`` to what the root says now; return how many entries were made, changed or removed."""
        return self._build(lambda: native.viso_root_update(self._handle))

    def cancel(self) -> None:
        """Cancel the :meth:`build` or :meth:`update` that runs, from another thread or its progress handler; it raises Canceled."""
        native.viso_root_cancel(self._handle)

    def verify(self) -> Manifest:
        """Compare what was built with its record; see :attr:`Manifest.differences` of what is returned.

        Files that the library did not make are not looked at.
        """
        return Manifest(native.viso_root_verify(self._handle))

    def manifest(self) -> Manifest:
        """The record of what was built, and why."""
        return Manifest(native.viso_root_manifest(self._handle))

    def remove(self) -> int:
        """Remove what was built; return how many entries stay, since files lie in them that the library did not make."""
        with self._lock:
            return native.viso_root_remove(self._handle)

    def write_image(self, path: StrPath, format: Union[ImageFormat, str] = ImageFormat.INITRAMFS) -> None:
        """Pack the root into a file: "initramfs" or "erofs"."""
        self._build(lambda: native.viso_image_write(self._handle, by_name(ImageFormat, format), path))

    @staticmethod
    def prune_store(path: StrPath) -> int:
        """Remove from a store what no root uses any more; return how many files that were."""
        return native.viso_root_prune_store(path)

    @property
    def path(self) -> Optional[str]:
        """The directory on the host in which the root lies; None before it is built."""
        try:
            return native.viso_root_path(self._handle)
        except InvalidArgument:
            return None

    def __repr__(self) -> str:
        return f"<virtiso.Root at {self.path}>" if self.path else "<virtiso.Root, not built>"


class _Raised:
    """What a progress handler raised."""

    error: Optional[BaseException] = None


def _flags(keep: Union[Keep, str, Iterable[Union[Keep, str]]]) -> Keep:
    flags = Keep.NOTHING
    for one in [keep] if isinstance(keep, (Keep, str)) else keep:
        flags |= by_name(Keep, one)
    return flags


def _pair(entry: Union[StrPath, Tuple[StrPath, Any]]) -> Tuple[StrPath, Any]:
    return entry if isinstance(entry, tuple) else (entry, None)
