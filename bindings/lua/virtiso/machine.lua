-- SPDX-License-Identifier: MIT
-- Where a program runs, what drivers and tools are there, and what of the library works.

local native = require "virtiso.native"
local support = require "virtiso.support"

local names = support.names
local value_of = support.value_of

local features = names("VISO_FEATURE_", [[jail container guest user_namespaces landlock landlock_scope seccomp memory_limit
	process_limit new_mount_api kvm kvm_ring0 kernel cpu_limit io_limit id_ranges overlay
	network_bridge network_user checkpoint erofs kernel_guest]])
local kinds = names("VISO_LAYER_", "hypervisor monitor cloud confidential container chroot")
local aspects = names("VISO_TOOL_", "installed running channel")
local sides = {[native.VISO_EVIDENCE_UNREAD] = "unread", [native.VISO_EVIDENCE_FOR] = "for", [native.VISO_EVIDENCE_AGAINST] = "against"}
-- What could not be found out is nil.
local answers = {[native.VISO_ANSWER_NO] = false, [native.VISO_ANSWER_YES] = true}

local machines = {}

--- The names of the features that machine:supports() knows.
machines.features = {}
for name, value in pairs(features) do
	machines.features[value + 1] = name
end

--- What the C library calls a feature for people, such as "user namespaces".
function machines.feature_name(feature)
	return native.viso_feature_name(value_of(features, feature, "feature", 2))
end

local Machine = {__name = "virtiso.machine"}
Machine.__index = Machine

Machine.__tostring = function(machine)
	local ids = {}
	for i, of in ipairs(machine:layers()) do
		ids[i] = of.id
	end
	return "virtiso.machine: " .. (ids[1] and table.concat(ids, ", ") or "bare")
end

--- Whether a feature works here; one of virtiso.features, such as "guest". Those of a captured machine cannot be tried: EOPNOTSUPP
-- is thrown.
function Machine:supports(feature)
	return native.viso_machine_feature(self.handle, value_of(features, feature, "feature", 2)) == 1
end

--- How a feature works here, or why it does not and what would help.
function Machine:detail(feature)
	return native.viso_machine_detail(self.handle, value_of(features, feature, "feature", 2))
end

--- Whether this is inside of a "hypervisor", "monitor", "cloud", "confidential", "container" or "chroot"; nil where that could not
-- be found out.
function Machine:inside(kind)
	return native.viso_machine_inside(self.handle, value_of(kinds, kind, "kind of layer", 2))
end

-- What `make(number)` gives for the numbers from `first` on.
local function list(first, count, make)
	local items = {}
	for number = first, first + count - 1 do
		items[#items + 1] = make(number)
	end
	return items
end

local function layer(handle, number)
	return {
		id = native.viso_machine_layer_id(handle, number),
		name = native.viso_machine_layer_name(handle, number),
		kind = native.viso_layer_kind_name(native.viso_machine_layer_kind(handle, number)),
		role = native.viso_layer_role_name(native.viso_machine_layer_role(handle, number)),
		confidence = native.viso_confidence_name(native.viso_machine_layer_confidence(handle, number)),
		evidence = list(0, native.viso_machine_evidence_count(handle, number), function(evidence)
			return {
				side = sides[native.viso_machine_evidence_side(handle, number, evidence)],
				source = native.viso_machine_evidence_source(handle, number, evidence),
				value = native.viso_machine_evidence_value(handle, number, evidence),
				errno = native.viso_machine_evidence_error(handle, number, evidence),
			}
		end),
	}
end

--- The layers around the program, from the outermost: tables with id, name, kind, role, confidence, evidence, which is a list of
-- tables with side ("for", "against", "unread"), source, value, errno (0 where it was read).
function Machine:layers()
	return list(0, native.viso_machine_layer_count(self.handle), function(number)
		return layer(self.handle, number)
	end)
end

--- What was suspected, or looked for, and is not there: as layers(); confidence is that in its absence, role has no meaning.
function Machine:refuted()
	local first = native.viso_machine_layer_count(self.handle)
	return list(first, native.viso_machine_refuted_count(self.handle), function(number)
		return layer(self.handle, number)
	end)
end

--- Whether the drivers and tools of a family would be of use here, by their names; nil where that could not be found out, so that
-- pairs() leaves it out: all families are those of drivers().
function Machine:families()
	local families = {}
	local number = 0
	local name = native.viso_family_name(number)
	while name do
		families[name] = answers[native.viso_machine_family(self.handle, number)]
		number = number + 1
		name = native.viso_family_name(number)
	end
	return families
end

--- The kernel modules of guests: tables with name, family, state, detail, package, devices (tables with name, alias, bound), evidence
-- (strings).
function Machine:drivers()
	local handle = self.handle
	return list(0, native.viso_machine_driver_count(handle), function(number)
		return {
			name = native.viso_machine_driver_name(handle, number),
			family = native.viso_family_name(native.viso_machine_driver_family(handle, number)),
			state = native.viso_driver_state_name(native.viso_machine_driver_state(handle, number)),
			detail = native.viso_machine_driver_detail(handle, number),
			package = native.viso_machine_driver_package(handle, number),
			devices = list(0, native.viso_machine_driver_device_count(handle, number), function(device)
				return {
					name = native.viso_machine_driver_device(handle, number, device),
					alias = native.viso_machine_driver_device_alias(handle, number, device),
					bound = native.viso_machine_driver_bound(handle, number, device),
				}
			end),
			evidence = list(0, native.viso_machine_driver_evidence_count(handle, number), function(evidence)
				return native.viso_machine_driver_evidence(handle, number, evidence)
			end),
		}
	end)
end

--- The programs of guest tools: tables with name, family, installed, running, channel (nil where that could not be found out),
-- package, and evidence, a table of strings by the same names.
function Machine:tools()
	local handle = self.handle
	return list(0, native.viso_machine_tool_count(handle), function(number)
		local tool = {
			name = native.viso_machine_tool_name(handle, number),
			family = native.viso_family_name(native.viso_machine_tool_family(handle, number)),
			package = native.viso_machine_tool_package(handle, number),
			evidence = {},
		}
		for name, aspect in pairs(aspects) do
			tool[name] = answers[native.viso_machine_tool(handle, number, aspect)]
			tool.evidence[name] = native.viso_machine_tool_evidence(handle, number, aspect)
		end
		return tool
	end)
end

--- The paravirtual features of KVM: tables with name, offered, used (nil where that could not be found out), detail.
function Machine:paravirtual()
	local handle = self.handle
	return list(0, native.viso_machine_paravirtual_count(handle), function(number)
		return {
			name = native.viso_machine_paravirtual_name(handle, number),
			offered = answers[native.viso_machine_paravirtual_offered(handle, number)],
			used = answers[native.viso_machine_paravirtual_used(handle, number)],
			detail = native.viso_machine_paravirtual_detail(handle, number),
		}
	end)
end

--- How the hypervisor is called from here ("libvirtiso" in a guest of this library), and how that was found out.
function Machine:hypercall()
	return native.viso_hypercall_way_name(native.viso_machine_hypercall(self.handle)),
		native.viso_machine_hypercall_detail(self.handle)
end

--- Examines this machine; or, with a directory, what capture_machine() or viso-detect wrote there.
function machines.machine(directory)
	return setmetatable({handle = directory and native.viso_machine_new_from(directory) or native.viso_machine_new()}, Machine)
end

--- Writes down all that this machine tells, into a new directory.
function machines.capture(directory)
	native.viso_machine_capture(directory)
end

return machines
