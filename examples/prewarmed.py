#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Python is started once, with its modules; each request is answered in a clone of its own, of which nothing stays.

prewarmed.py [COUNT]
"""

import json
import sys
import time

import virtiso

# What runs in the guest. When it first reads from /dev/virtiso, it is ready.
PROGRAM = """
import json, math, re
with open("/dev/virtiso", "r+b", buffering=0) as port:
    while True:
        request = json.loads(port.read(65536))
        port.write(json.dumps(eval(request)).encode())
"""

count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
root = virtiso.Root(programs=["/usr/bin/python3"])
with virtiso.Guest(root, memory_max="256M") as guest:
    begin = time.monotonic()
    guest.initialise(["python3", "-c", PROGRAM], timeout=60)
    snapshot = guest.snapshot()
    print(f"python3 is ready after {(time.monotonic() - begin) * 1e3:.0f} ms")

    begin = time.monotonic()
    for i in range(count):
        with snapshot.clone() as clone:
            answer = json.loads(clone.request(json.dumps(f"math.factorial({i % 20})").encode(), timeout=5))
    print(f"{count} requests, each in a clone: {(time.monotonic() - begin) / count * 1e3:.2f} ms each; the last is {answer}")
