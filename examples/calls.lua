#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- A plugin in a guest, whose functions are called as often as you like, each time from the same state.
--
--   calls.lua [COUNT [PLUGIN]]

local virtiso = require "virtiso"

local count = tonumber(arg[1] or 1000000)
local plugin = arg[2] or "build/examples/guest/plugin"
if plugin:sub(1, 1) ~= "/" then
	plugin = os.getenv "PWD" .. "/" .. plugin
end

local root = virtiso.root{files = {{plugin, "/plugin"}}}
local guest <close> = virtiso.guest{root = root, memory_max = "64M"}
assert(guest:initialise({"/plugin"}, {timeout = 10})) -- returns when the plugin says that it is ready
print("shout: " .. guest:call_bytes("shout", "hello, plugin", {timeout = 1}))

local snapshot = guest:snapshot()
guest:set_call_timeout(1)
local begin = os.clock()
for i = 1, count do
	assert(guest:call("add", i, i) == 2 * i)
	assert(guest:call "count_calls" == 1)
	guest:reset() -- nothing of these calls is left
end
print(("%d times two calls and a reset: %.1f us of CPU time each"):format(count, (os.clock() - begin) / count * 1e6))
