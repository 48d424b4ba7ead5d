-- SPDX-License-Identifier: MIT
-- The chroot jail.

local native = require "virtiso.native"
local support = require "virtiso.support"
local sandboxes = require "virtiso.sandbox"
local names = support.names
local value_of = support.value_of
local Sandbox = sandboxes.Sandbox

local hardenings = names("VISO_HARDENING_", "none privileges files scopes")

--- Makes a chroot jail. Options: root, memory_max, processes_max, network ("none" or "host"), hardened (false for chroot(2) alone,
-- which is no security boundary), demand (the least level of hardening: "privileges", "files", "scopes").
local new_jail = sandboxes.constructor("jail", {
	memory_max = sandboxes.sized(native.viso_jail_set_memory_max),
	processes_max = native.viso_jail_set_processes_max,
	network = sandboxes.network(native.viso_jail_set_network),
	hardened = function(handle, value)
		native.viso_jail_set_hardening(handle, value and 1 or 0)
	end,
	demand = function(handle, value)
		native.viso_jail_demand_hardening(handle, value_of(hardenings, value, "level of hardening"))
	end,
})

local Jail = setmetatable({__name = "virtiso.jail", __close = Sandbox.__close}, {__index = Sandbox})
Jail.__index = Jail

--- The level of hardening that a command has on this kernel: "none", "privileges", "files" or "scopes".
function Jail:hardening()
	return native.viso_hardening_name(native.viso_jail_hardening(self.handle))
end

--- What stays open in this jail, with its settings, on this kernel, for this user: a list of sentences.
function Jail:warnings()
	local list = {}
	for i = 0, math.huge do
		local warning = native.viso_jail_warning(self.handle, i)
		if not warning then
			return list
		end
		list[i + 1] = warning
	end
end

return function(options)
	return setmetatable(new_jail(options), Jail)
end
