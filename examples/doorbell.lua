#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- An operating system in a virtual computer calls the host program, and is called by it.
--
--   doorbell.lua [KERNEL]

local virtiso = require "virtiso"

local ENOENT = 2

-- price(name, size): the address is a physical one; what the guest says is not trusted.
local function answer_price(call)
	local size = math.min(call:argument(1), 64)
	return call:read(call:argument(0), size) == "apples" and 3 or -ENOENT
end

local kernel = arg[1] or "build/examples/guest/bell"
local guest <close> = virtiso.guest{kernel = kernel, hypercalls = {[1] = answer_price}}
local computer <close> = guest:boot{capture_output = true}
-- It asks twice before it serves.
for _ = 1, 2 do
	assert(guest:serve(30), "the guest asks for nothing")
end
-- Its system has a function "add", one with bytes "upper", and takes "off" for an order.
print("2 + 3 = " .. guest:call("add", 2, 3))
print(guest:call_bytes("upper", "hello", {timeout = 30}))
print((guest:request("off", {timeout = 30})))
io.write(computer:wait().stdout)
