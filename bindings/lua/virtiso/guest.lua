-- SPDX-License-Identifier: MIT
-- The program guest.

local native = require "virtiso.native"

local sandboxes = require "virtiso.sandbox"

--- Makes a program guest. Options: root, memory_max, network ("none" is the only one).
return sandboxes.constructor("guest", {
	memory_max = sandboxes.sized(native.viso_guest_set_memory_max),
	network = function(_, value)
		if value ~= "none" then
			error("a guest has no network", 0)
		end
	end,
})
