# SPDX-License-Identifier: MIT
"""What options of a container are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Sequence, Union

from ._enums import IoRate, MountFlag, Protocol, SyscallAction
from ._paths import StrPath
from ._units import Size


@dataclass(frozen=True)
class Bind:
    """A file or directory of the host, or a fd of one, that a container sees. Writable unless it is said otherwise."""

    source: Union[StrPath, int]
    read_only: bool = False
    no_exec: bool = False
    devices: bool = False
    recursive: bool = False
    id_mapped: bool = False
    optional: bool = False

    def flags(self) -> int:
        """Of viso_mount."""
        flags = MountFlag.DEFAULT
        for flag in MountFlag:
            if flag and getattr(self, str(flag.name).lower()):
                flags |= flag
        return int(flags)


@dataclass(frozen=True)
class Tmpfs:
    """An empty directory in memory; without a size the memory limit of the container holds."""

    size: Size = 0
    mode: int = 0o1777
    read_only: bool = False
    no_exec: bool = False


@dataclass(frozen=True)
class IdMap:
    """A range of ids: ``inside`` is the first one in the container, ``outside`` the first one as the host program sees it."""

    inside: int
    outside: int
    count: int = 1


@dataclass(frozen=True)
class Port:
    """A port of the host whose connections reach the container."""

    host_port: int
    port: int
    protocol: Union[Protocol, str] = Protocol.TCP
    host_address: Optional[str] = None


@dataclass(frozen=True)
class Rule:
    """What happens at a system call: always, or where ``(argument & mask) == value``. ``error`` is an errno, for "error"."""

    syscall: str
    action: Union[SyscallAction, str]
    error: int = 0
    argument: Optional[int] = None
    mask: int = 0xFFFFFFFFFFFFFFFF
    value: int = 0


@dataclass(frozen=True)
class Hook:
    """A program of the host with its arguments, that runs at a moment of each start."""

    args: Sequence[StrPath]
    env: Optional[Mapping[str, Optional[str]]] = None
    timeout: Optional[float] = None


#: Limits of input and output with a device: ``{"write_bytes": "10M"}``.
IoLimits = Mapping[Union[IoRate, str], Size]
