-- SPDX-License-Identifier: MIT
--- Run a program isolated at one of three strengths: chroot jail, namespace container, KVM guest.
--
--     local virtiso = require "virtiso"
--     local box <close> = virtiso.container{root = virtiso.root{programs = {"/usr/bin/python3"}}, memory_max = "256M"}
--     print(box:run({"python3", "-c", "print(6 * 7)"}, {timeout = 2}).stdout)
--
-- A failed call throws an object with the fields errno, stage, object and message; tostring() gives the message, and
-- virtiso.is_error() knows it. The message may name functions as the C library does: viso_guest_initialise() is guest:initialise().
-- Only process:wait() and process:next_notification() return nil, message, errno where the command still runs, or makes no call
-- within the time-out or any more; guest:initialise() returns nil and the result of a program that ended, guest:next_hypercall() nil.
-- Strings may contain any bytes, zero bytes too where they are data.
--
-- After fork() the child's calls fail with ECHILD.

local native = require "virtiso.native"
local commands = require "virtiso.command"
local containers = require "virtiso.container"
local guests = require "virtiso.guest"
local machines = require "virtiso.machine"
local roots = require "virtiso.root"
local support = require "virtiso.support"
local names = support.names
local name_of = support.name_of
local value_of = support.value_of
local check_options = support.check_options
local set = support.set

local virtiso = {
	root = roots.root,
	verify = roots.verify,
	prune_store = roots.prune_store,
	jail = require "virtiso.jail",
	container = containers.container,
	load_bundle = containers.load_bundle,
	attach = containers.attach,
	guest = guests.guest,
	prepare_guests = guests.prepare,
	machine = machines.machine,
	capture_machine = machines.capture,
	features = machines.features,
	feature_name = machines.feature_name,
	is_error = support.is_error,
	--- What a resource limit is set to for "no limit".
	UNLIMITED = native.VISO_UNLIMITED,
}

local version = native.viso_version()
virtiso.VERSION = ("%d.%d.%d"):format(version >> 16, version >> 8 & 255, version & 255)

local levels = names("VISO_LOG_", "error warning info debug")

local jail_options = set "memory_max processes_max network hardened demand"

--- Runs one command in a sandbox of its own and returns its result.
--
-- Options: isolation ("jail", "container", "guest"; "container" where it is not given), root, those of the sandbox, and those
-- of sandbox:run(). Without a root it is made from the program that `args` names, with all that it needs, and from the options
-- of virtiso.root.
function virtiso.run(args, options)
	local sandbox_options, of_root, of_command = {}, {}, {}
	local isolation = "container"
	for name, value in pairs(options or {}) do
		if name == "isolation" then
			isolation = value
		elseif name == "root" or jail_options[name] or containers.options[name] or guests.options[name] then
			sandbox_options[name] = value
		elseif roots.options[name] then
			of_root[name] = value
		else
			of_command[name] = value
		end
	end
	check_options(of_command, commands.options, 2)
	local new = value_of({jail = virtiso.jail, container = virtiso.container, guest = virtiso.guest}, isolation, "isolation", 2)
	if sandbox_options.root and next(of_root) then
		error(("the option %q belongs to a root made here; one was given"):format(next(of_root)), 2)
	elseif not sandbox_options.root then
		of_root.programs = {args[1], table.unpack(of_root.programs or {})}
		sandbox_options.root = virtiso.root(of_root)
	end
	local box <close> = new(sandbox_options)
	return box:run(args, of_command)
end

--- Passes the library's messages to `handler(level, message)`, up to the level "error", "warning", "info" (where it is not given)
-- or "debug"; nil for nobody.
--
-- It is called while a function of this module runs, on the Lua state that called it. Messages from threads of the library's
-- own, and from garbage collection, are dropped. An error in the handler becomes a warning. It must not call virtiso.
function virtiso.set_log_handler(handler, level)
	local number = value_of(levels, level or "info", "level", 2)
	if handler ~= nil and type(handler) ~= "function" then
		error("the handler must be a function or nil", 2)
	end
	native.viso_log_set_handler(number, handler and function(of, message)
		handler(name_of(levels, of), message)
	end)
end

return virtiso
