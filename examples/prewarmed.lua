#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- Python is started once, with its modules; each request is answered in a clone of its own, of which nothing stays.
--
--   prewarmed.lua [COUNT]

local virtiso = require "virtiso"

-- What runs in the guest. When it first reads from /dev/virtiso, it is ready.
local program = [[
import json, math, re
with open("/dev/virtiso", "r+b", buffering=0) as port:
    while True:
        port.write(json.dumps(eval(port.read(65536))).encode())
]]

local count = tonumber(arg[1] or 100)
local root = virtiso.root{programs = {"/usr/bin/python3"}}
local guest <close> = virtiso.guest{root = root, memory_max = "256M"}
assert(guest:initialise({"python3", "-c", program}, {timeout = 60}))
local snapshot = guest:snapshot()

local begin, answer = os.clock()
for i = 0, count - 1 do
	local clone <close> = snapshot:clone()
	answer = clone:request(("math.factorial(%d)"):format(i % 20), {timeout = 5})
end
print(("%d requests, each in a clone: %.2f ms of CPU time each; the last is %s"):format(count, (os.clock() - begin) / count * 1e3, answer))
