# SPDX-License-Identifier: MIT
"""The options of a guest that boots an operating system of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Tuple, Union

from . import native
from ._enums import Platform, by_name
from ._paths import StrPath


@dataclass(frozen=True)
class KernelOptions:
    """What is booted, and on which computer; :class:`Guest` documents it."""

    kernel: Optional[StrPath] = None
    flat_image: Optional[Tuple[StrPath, int]] = None
    initramfs: Optional[StrPath] = None
    command_line: Optional[str] = None
    processors: Optional[int] = None
    platform: Union[None, Platform, str] = None
    firmware: Optional[StrPath] = None

    def boots(self) -> bool:
        """Whether there is anything to boot."""
        return any(value is not None for value in (self.kernel, self.flat_image, self.platform, self.firmware))

    def apply(self, guest: native.viso_guest) -> None:
        """Give them to the guest."""
        if self.kernel is not None:
            native.viso_guest_set_kernel(guest, self.kernel)
        if self.flat_image is not None:
            native.viso_guest_set_flat_image(guest, *self.flat_image)
        if self.initramfs is not None:
            native.viso_guest_set_initramfs(guest, self.initramfs)
        if self.command_line is not None:
            native.viso_guest_set_command_line(guest, self.command_line)
        if self.processors is not None:
            native.viso_guest_set_processors(guest, self.processors)
        if self.platform is not None:
            native.viso_guest_set_platform(guest, by_name(Platform, self.platform))
        if self.firmware is not None:
            native.viso_guest_set_firmware(guest, self.firmware)
