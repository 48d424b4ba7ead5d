-- SPDX-License-Identifier: MIT
-- What works on this host.

local native = require "virtiso.native"
local support = require "virtiso.support"

local names = support.names
local value_of = support.value_of

local features = names("VISO_FEATURE_", [[jail container guest user_namespaces landlock landlock_scope seccomp memory_limit
	process_limit new_mount_api kvm kvm_ring0]])

local machines = {}

--- The names of the features that machine:supports() knows.
machines.features = {}
for name, value in pairs(features) do
	machines.features[value + 1] = name
end

local Machine = {__name = "virtiso.machine"}
Machine.__index = Machine

--- Whether a feature works here; one of virtiso.features, such as "guest".
function Machine:supports(feature)
	return native.viso_machine_feature(self.handle, value_of(features, feature, "feature", 2)) == 1
end

--- How a feature works here, or why it does not and what would help.
function Machine:detail(feature)
	return native.viso_machine_detail(self.handle, value_of(features, feature, "feature", 2))
end

--- Finds out what of the library works on this host for this user.
function machines.machine()
	return setmetatable({handle = native.viso_machine_new()}, Machine)
end

return machines
