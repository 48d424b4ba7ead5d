# SPDX-License-Identifier: MIT
"""The options of a guest that boots an operating system of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import Callable, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from . import native
from ._command import File
from ._enums import Agent, Console, Platform, RootMedium, by_name
from ._paths import StrPath
from ._units import Size, size_in_bytes, taking

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Rate:
    """How many a second, and how many at once after a rest; a ``burst`` of 0 is what a tenth of a second gives. Sizes as of memory."""

    per_second: Size
    burst: Size = 0


Rates = Union[None, Size, Rate]


def _set_rates(function: Callable[..., int], guest: native.viso_guest, index: int, bytes_: Rates, operations: Rates) -> None:
    for what, rate in ((native.VISO_RATE_BYTES, bytes_), (native.VISO_RATE_OPERATIONS, operations)):
        if rate is not None:
            rate = rate if isinstance(rate, Rate) else Rate(rate)
            function(guest, index, what, size_in_bytes(rate.per_second), size_in_bytes(rate.burst))


@dataclass(frozen=True)
class Disk:
    """A disk of a computer: a file of the host. With ``discard_writes`` the file stays as it is; with ``cdrom`` it is an ISO image."""

    path: StrPath
    read_only: bool = False
    discard_writes: bool = False
    bytes_rate: Rates = None
    operations_rate: Rates = None
    cdrom: bool = False

    def flags(self) -> int:
        """Of viso_disk_flags."""
        flags = {
            native.VISO_DISK_READ_ONLY: self.read_only,
            native.VISO_DISK_DISCARD_WRITES: self.discard_writes,
            native.VISO_DISK_CDROM: self.cdrom,
        }
        return sum(flag for flag, is_set in flags.items() if is_set)


@dataclass(frozen=True)
class Interface:
    """A network interface of a computer, with a tap device or a socket behind it; without ``mac`` its address is random."""

    file: File
    mac: Optional[str] = None
    bytes_rate: Rates = None
    operations_rate: Rates = None


@dataclass(frozen=True)
class Share:
    """A directory of the host that the guest may write to; ``keep_setid`` lets it make programs that run as their owner."""

    path: StrPath
    writable: bool = True
    keep_setid: bool = False

    def apply(self, guest: native.viso_guest, tag: str) -> None:
        """Give it to the guest."""
        if self.writable:
            flags = native.VISO_SHARE_KEEP_SETID if self.keep_setid else 0
            native.viso_guest_share_writable(guest, self.path, tag, flags)
        else:
            native.viso_guest_share_directory(guest, self.path, tag)


@dataclass(frozen=True)
class KernelOptions:
    """What is booted, and on which computer; :class:`Guest` documents it."""

    kernel: Optional[StrPath] = None
    flat_image: Optional[Tuple[StrPath, int]] = None
    initramfs: Optional[StrPath] = None
    command_line: Optional[str] = None
    processors: Optional[int] = None
    platform: Union[None, Platform, str] = None
    agent: Union[None, Agent, str] = None
    root_medium: Union[None, RootMedium, str] = None
    firmware: Optional[StrPath] = None
    disks: Sequence[Union[StrPath, Disk]] = ()
    ports: Mapping[str, File] = field(default_factory=dict)
    interfaces: Sequence[Union[File, Interface]] = ()
    shares: Mapping[str, Union[StrPath, Share]] = field(default_factory=dict)
    vsock: Optional[Tuple[int, StrPath]] = None
    console: Union[None, Console, str] = None

    def boots(self) -> bool:
        """Whether there is anything to boot."""
        return any(value is not None for value in (self.kernel, self.flat_image, self.platform, self.firmware))

    def apply(self, guest: native.viso_guest) -> None:
        """Give them to the guest."""
        setters: Sequence[Tuple[str, str, Callable[..., int]]] = (
            ("kernel", "the path of a file", native.viso_guest_set_kernel),
            ("initramfs", "the path of a file", native.viso_guest_set_initramfs),
            ("command_line", "text", native.viso_guest_set_command_line),
            ("processors", "an integer from 1 to 64", native.viso_guest_set_processors),
            ("firmware", "the path of a file", native.viso_guest_set_firmware),
        )
        for option, what, setter in setters:
            value = getattr(self, option)
            if value is not None:
                with taking(option, what, value):
                    setter(guest, value)
        if self.flat_image is not None:
            with taking("flat_image", "a file and an address", self.flat_image):
                path, address = self.flat_image
                native.viso_guest_set_flat_image(guest, path, address)
        if self.platform is not None:
            native.viso_guest_set_platform(guest, by_name(Platform, self.platform))
        if self.agent is not None:
            native.viso_guest_set_agent(guest, by_name(Agent, self.agent))
        if self.root_medium is not None:
            native.viso_guest_set_root_medium(guest, by_name(RootMedium, self.root_medium))
        if self.console is not None:
            native.viso_guest_set_console(guest, by_name(Console, self.console))
        self.add_devices(guest)

    def add_devices(self, guest: native.viso_guest) -> None:
        """Only the devices, or for a clone what it is given anew of them."""
        for index, disk in enumerate(_list("disks", self.disks)):
            disk = disk if isinstance(disk, Disk) else Disk(disk)
            with taking("disks", "a list of paths, or of Disk", disk.path):
                native.viso_guest_add_disk(guest, disk.path, disk.flags())
            _set_rates(native.viso_guest_set_disk_rate, guest, index, disk.bytes_rate, disk.operations_rate)
        for name, file in self.ports.items():
            with taking("ports", "a dict of sockets by name, or of their fds", {name: file}):
                native.viso_guest_add_port(guest, name, _fileno(file))
        for index, interface in enumerate(_list("interfaces", self.interfaces)):
            interface = interface if isinstance(interface, Interface) else Interface(interface)
            with taking("interfaces", "a list of open tap devices or sockets, of their fds, or of Interface", interface.file):
                native.viso_guest_add_network(guest, _fileno(interface.file), interface.mac)
            _set_rates(native.viso_guest_set_network_rate, guest, index, interface.bytes_rate, interface.operations_rate)
        for tag, directory in self.shares.items():
            share = directory if isinstance(directory, Share) else Share(directory, writable=False)
            with taking("shares", "a dict of paths by tag, or of Share", {tag: share.path}):
                share.apply(guest, tag)
        if self.vsock is not None:
            with taking("vsock", "a number and the path of a socket", self.vsock):
                cid, path = self.vsock
                native.viso_guest_set_vsock(guest, cid, path)


def _list(option: str, value: Sequence[_Item]) -> Sequence[_Item]:
    """Text and paths have items, too, which is never what was meant."""
    if isinstance(value, (str, bytes, PathLike, Disk, Interface, int)):
        raise TypeError(f"{option} must be a list, not {value!r}")
    return value


def _fileno(file: File) -> int:
    return file if isinstance(file, int) else file.fileno()
