#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A plugin in a guest, whose functions are called as often as you like, each time from the same state.

calls.py [COUNT [PLUGIN]]
"""

import os
import sys
import time

import virtiso

count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
plugin = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else "build/examples/guest/plugin")

root = virtiso.Root(files=[(plugin, "/plugin")])
with virtiso.Guest(root, memory_max="64M") as guest:
    guest.initialise(["/plugin"], timeout=10)  # returns when the plugin says that it is ready
    print("shout:", guest.call_bytes("shout", b"hello, plugin", timeout=1).decode())

    snapshot = guest.snapshot()
    begin = time.monotonic()
    for i in range(count):
        assert guest.call("add", i, i, timeout=1) == 2 * i
        assert guest.call("count_calls", timeout=1) == 1
        guest.reset()  # nothing of these calls is left
    print(f"{count} times two calls and a reset: {(time.monotonic() - begin) / count * 1e6:.1f} us each")
