-- SPDX-License-Identifier: MIT
-- The container.

local native = require "virtiso.native"
local support = require "virtiso.support"

local sandboxes = require "virtiso.sandbox"

--- Makes a container. Options: root, memory_max, processes_max, network ("none" or "host"), hostname, capabilities (a list).
return sandboxes.constructor("container", {
	memory_max = sandboxes.sized(native.viso_container_set_memory_max),
	processes_max = native.viso_container_set_processes_max,
	network = sandboxes.network(native.viso_container_set_network),
	hostname = native.viso_container_set_hostname,
	capabilities = function(handle, capabilities)
		for _, capability in ipairs(capabilities) do
			native.viso_container_add_capability(handle, capability)
		end
	end,
})
