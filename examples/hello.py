#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shortest complete use of libvirtiso: Python computes 6 * 7 in a container.

For a jail or a guest write Jail or Guest where Container stands; nothing else changes.
"""

import virtiso

root = virtiso.Root(programs=["/usr/bin/python3"])  # with its libraries and modules; the program sees nothing else
with virtiso.Container(root, memory_max="256M") as box:
    result = box.run(["python3", "-c", "print(6 * 7)"], timeout=10)
    print(result.stdout + result.describe())
