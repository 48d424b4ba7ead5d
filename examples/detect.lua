#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- Where does this program run, what drivers and tools of its hypervisor are here, and what of libvirtiso works?
-- As viso-detect in C, with the same options, JSON and exit statuses.

local virtiso = require "virtiso"

local EXIT_NO, EXIT_USAGE, EXIT_UNKNOWN = 1, 2, 3

local function answer(value)
	if value == nil then
		return "unknown"
	end
	return value and "yes" or "no"
end

-- JSON: a list is a table with numbers, or one that `as_list` has marked.
local lists = setmetatable({}, {__mode = "k"})

local function as_list(items, change)
	local list = {}
	for i, item in ipairs(items) do
		list[i] = change and change(item) or item
	end
	lists[list] = true
	return list
end

local function quoted(text)
	return '"' .. text:gsub('[%c"\\]', function(c)
		return ("\\u%04x"):format(c:byte())
	end) .. '"'
end

local function json(value)
	if type(value) == "string" then
		return quoted(value)
	elseif type(value) ~= "table" then
		return tostring(value)
	end
	local parts = {}
	if lists[value] then
		for i, item in ipairs(value) do
			parts[i] = json(item)
		end
		return "[" .. table.concat(parts, ",") .. "]"
	end
	for key, item in pairs(value) do
		parts[#parts + 1] = quoted(key) .. ":" .. json(item)
	end
	return "{" .. table.concat(parts, ",") .. "}"
end

local function layer(of)
	of.evidence = as_list(of.evidence, function(item)
		item.errno = item.errno ~= 0 and item.errno or nil
		return item
	end)
	return of
end

local function driver(of)
	of.devices = as_list(of.devices)
	of.evidence = as_list(of.evidence)
	return of
end

local function tool(of)
	of.installed, of.running, of.channel = answer(of.installed), answer(of.running), answer(of.channel)
	return of
end

local function features(machine)
	local list = {}
	for i, name in ipairs(virtiso.features) do
		list[i] = {name = virtiso.feature_name(name), works = machine:supports(name), detail = machine:detail(name)}
	end
	return as_list(list)
end

-- All that is known, as viso-detect/schema.json has it.
local function report(machine)
	local way, detail = machine:hypercall()
	local tried, list = pcall(features, machine)
	local families = {}
	for _, of in ipairs(machine:drivers()) do
		families[of.family] = answer(machine:families()[of.family])
	end
	return {
		schema = 1,
		layers = as_list(machine:layers(), layer),
		refuted = as_list(machine:refuted(), layer),
		families = families,
		drivers = as_list(machine:drivers(), driver),
		tools = as_list(machine:tools(), tool),
		paravirtual = as_list(machine:paravirtual(), function(of)
			of.offered, of.used = answer(of.offered), answer(of.used)
			return of
		end),
		hypercall = {way = way, detail = detail},
		features = tried and list or nil, -- of a captured machine nothing can be tried
	}
end

-- What was refuted has no role; the confidence is that in its absence.
local function print_layers(title, layers, is_refuted)
	print(title)
	for _, of in ipairs(layers) do
		local belief = is_refuted and "absence " or "as " .. of.role .. ", "
		local told = ("%s (%s), %s%s"):format(of.name, of.id, belief, of.confidence)
		print(("  %s: %s"):format(of.kind, of.confidence == "unknown" and of.confidence or told))
		for _, item in ipairs(of.evidence) do
			print(("    %-8s  %s: %s"):format(item.side, item.source, item.errno and "errno " .. item.errno or item.value))
		end
	end
end

local function print_features(list)
	for _, of in ipairs(list) do
		print(("%-18s %-4s %s"):format(of.name, of.works and "yes" or "no", of.detail))
	end
end

local function print_text(machine)
	local found = report(machine)
	print_layers("Layers, from the outermost:", found.layers, false)
	print_layers("Not so, or not found:", found.refuted, true)
	print "Drivers of use here:"
	for _, of in ipairs(found.drivers) do
		if of.state ~= "not applicable" and (of.state ~= "unknown" or found.families[of.family] == "yes") then
			print(("  %-26s  %-9s  %s %s"):format(of.name, of.state, of.detail, of.package))
		end
	end
	print "Guest tools, installed, running, with a channel:"
	for _, of in ipairs(found.tools) do
		if found.families[of.family] == "yes" then
			print(("  %-26s  %-8s  %-8s  %-8s  %s"):format(of.name, of.installed, of.running, of.channel, of.package))
		end
	end
	print("Hypercalls: " .. found.hypercall.detail)
	print_features(found.features or {})
end

-- As systemd-detect-virt(1): one word, and the exit status.
local function answer_shortly(machine, options)
	local anything = not (options.vm or options.container or options.chroot)
	local unknown, found = false, nil
	for _, kind in ipairs {"chroot", "container", "hypervisor"} do
		local asked = options[kind == "hypervisor" and "vm" or kind] or (anything and kind ~= "chroot")
		local inside
		if asked and not found then
			inside = machine:inside(kind)
			unknown = unknown or inside == nil
		end
		for _, of in ipairs(inside and machine:layers() or {}) do
			if of.kind == kind and of.role == "guest" and of.confidence ~= "unknown" then
				found = of.id
			end
		end
	end
	if not options.quiet and not options.chroot then
		print(found or (unknown and "unknown" or "none"))
	end
	return found and 0 or unknown and EXIT_UNKNOWN or EXIT_NO
end

local function fail_usage(message)
	io.stderr:write("detect.lua: ", message, "\n")
	os.exit(EXIT_USAGE)
end

local function parse(arguments)
	local flags = {["--json"] = "json", ["--features"] = "features", ["--vm"] = "vm", ["--container"] = "container", ["--chroot"] = "chroot", ["--quiet"] = "quiet",
		["-v"] = "vm", ["-c"] = "container", ["-r"] = "chroot", ["-q"] = "quiet"}
	local values = {["--from"] = "from", ["--capture"] = "capture"}
	local options, i = {}, 1
	while arguments[i] do
		local name = arguments[i]
		if flags[name] then
			options[flags[name]] = true
		elseif values[name] and arguments[i + 1] then
			i = i + 1
			options[values[name]] = arguments[i]
		else
			fail_usage "options are --json, --features, --vm, --container, --chroot, --quiet, --from DIRECTORY, --capture DIRECTORY"
		end
		i = i + 1
	end
	local shortly = options.vm or options.container or options.chroot or options.quiet
	local forms = (options.json and 1 or 0) + (options.features and 1 or 0) + (shortly and 1 or 0) + (options.capture and 1 or 0)
	if forms > 1 or (options.capture and options.from) then
		fail_usage "these options exclude each other"
	end
	return options
end

local function main(options)
	if options.capture then
		virtiso.capture_machine(options.capture)
		return 0
	end
	local machine = virtiso.machine(options.from)
	if options.vm or options.container or options.chroot or options.quiet then
		return answer_shortly(machine, options)
	elseif options.json then
		print(json(report(machine)))
	elseif options.features then
		print_features(features(machine))
	else
		print_text(machine)
	end
	return 0
end

local worked, status = pcall(main, parse(arg))
if not worked then
	io.stderr:write("detect.lua: ", tostring(status), "\n")
end
os.exit(worked and status or EXIT_USAGE)
