#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program in a guest asks, the host program answers.

hypercall.py [PROGRAM]
"""

import errno
import os
import sys

import virtiso

PRICES = {"apples": 3, "pears": 4}


def answer_price(call):
    """price(name, size): what the guest says is not trusted."""
    size = min(call.argument(1), 64)
    thing = call.read(call.argument(0), size).decode("ascii", "replace")
    if thing not in PRICES:
        raise OSError(errno.ENOENT, "no such thing")  # the program gets -ENOENT
    return PRICES[thing]


program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/examples/guest/asks")
root = virtiso.Root(files=[(program, "/asks")])
with virtiso.Guest(root, hypercalls={1: answer_price}) as guest:
    print(guest.run(["/asks"], timeout=10, check=True).stdout, end="")
