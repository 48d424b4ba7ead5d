#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Boots a kernel in a virtual computer, with its console on the standard streams.

    boot.py KERNEL [INITRAMFS [COMMAND LINE]]

A kernel is Linux (bzImage or vmlinux), any other ELF file with a PVH entry, a Multiboot image, or a boot sector. The exit code is 0
where the computer was switched off, 1 where it wanted to start anew, 2 where it could not be booted or crashed.
"""

import sys

import virtiso

if not 2 <= len(sys.argv) <= 4:
    sys.exit("usage: boot.py KERNEL [INITRAMFS [COMMAND LINE]]")
kernel, initramfs, line = (sys.argv[1:] + [None, None])[:3]
try:
    guest = virtiso.Guest(
        kernel=kernel, initramfs=initramfs, command_line=line or "console=ttyS0 panic=-1", memory_max="512M"
    )
    with guest, guest.boot(stdin=sys.stdin, capture_output=False) as computer:
        computer.wait()
except virtiso.Error as error:
    print(f"boot.py: {error}", file=sys.stderr)
    sys.exit(2)
print(f"boot.py: {computer.result.describe()}", file=sys.stderr)
sys.exit(computer.returncode if computer.returncode in (0, 1) else 2)
