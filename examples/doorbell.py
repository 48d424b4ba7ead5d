#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An operating system in a virtual computer calls the host program, and is called by it.

doorbell.py [KERNEL]
"""

import errno
import sys

import virtiso


def answer_price(call):
    """price(name, size): the address is a physical one; what the guest says is not trusted."""
    size = min(call.argument(1), 64)
    if call.read(call.argument(0), size) != b"apples":
        raise OSError(errno.ENOENT, "no such thing")
    return 3


kernel = sys.argv[1] if len(sys.argv) > 1 else "build/examples/guest/bell"
with virtiso.Guest(kernel=kernel, hypercalls={1: answer_price}) as guest, guest.boot() as computer:
    # Its system has a function "add", one with bytes "upper", and takes "off" for an order.
    print("2 + 3 =", guest.call("add", 2, 3, timeout=30))
    print(guest.call_bytes("upper", b"hello", timeout=30).decode())
    print(guest.request(b"off", timeout=30).decode())
    computer.wait(30)
    print(computer.result.stdout, end="")
