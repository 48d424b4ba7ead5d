#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- The shortest complete use of libvirtiso: Python computes 6 * 7 in a container.
--
-- For a jail or a guest write jail or guest where container stands; nothing else changes.

local virtiso = require "virtiso"

local root = virtiso.root{programs = {"/usr/bin/python3"}} -- with its libraries and modules; the program sees nothing else
local box <close> = virtiso.container{root = root, memory_max = "256M"}
local result = box:run({"python3", "-c", "print(6 * 7)"}, {timeout = 10})
print(result.stdout .. result.description)
