#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- A program in a guest asks, the host program answers.
--
--   hypercall.lua [PROGRAM]

local virtiso = require "virtiso"

local ENOENT = 2
local prices = {apples = 3, pears = 4}

-- price(name, size): what the guest says is not trusted.
local function answer_price(call)
	local size = math.min(call:argument(1), 64)
	return prices[call:read(call:argument(0), size)] or -ENOENT
end

local program = arg[1] or "build/examples/guest/asks"
if program:sub(1, 1) ~= "/" then
	program = os.getenv "PWD" .. "/" .. program
end
local root = virtiso.root{files = {{program, "/asks"}}}
local guest <close> = virtiso.guest{root = root, hypercalls = {[1] = answer_price}}
io.write(guest:run({"/asks"}, {timeout = 10}).stdout)
