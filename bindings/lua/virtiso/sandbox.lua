-- SPDX-License-Identifier: MIT
-- What jail, container and guest have in common.

local native = require "virtiso.native"
local support = require "virtiso.support"

local commands = require "virtiso.command"
local processes = require "virtiso.process"
local results = require "virtiso.result"
local roots = require "virtiso.root"
local names = support.names
local value_of = support.value_of
local check_options = support.check_options
local size = support.size
local Process, take_stream = processes.Process, processes.take_stream

local networks = names("VISO_NETWORK_", "none host")

local sandboxes = {}

local Sandbox = {__name = "virtiso.sandbox"}
Sandbox.__index = Sandbox

--- Runs a command to its end and returns its result, a table with the fields
--   ok, exit_code, signal, reason ("exited", "timed_out", ...), description, stdout, stderr, stdout_truncated,
--   stderr_truncated, usage (wall_us, user_us, system_us, memory_peak, ...).
--
-- `args` is a table of the program and its arguments. Options, all of them optional:
--   input                   what the program reads from its standard input
--   stdin, stdout, stderr   "inherit", "null", a file, a fd; for the outputs also "capture"; "stdout" for stderr
--   capture_output          false: outputs that are not given otherwise are inherited and not captured
--   capture_max             how much of each output is kept, 1M
--   timeout, cpu_time       seconds
--   env, clear_env          variables beside the clean environment, true for the host's value; begin with none at all
--   cwd, user, group, groups, rlimits
--   fds                     table of files or fds of the host by the number that they have in the program
function Sandbox:run(args, options)
	options = options or {}
	check_options(options, commands.options, 2)
	if options.capture_output == nil then
		options = setmetatable({capture_output = true}, {__index = options})
	end
	local command, captured = commands.make(args, options)
	return results.make(roots.build(self.root, native.viso_sandbox_run, self.view, command), captured)
end

--- Starts a command and returns a process while it runs. Options as for run(); streams may be "pipe", and outputs are
-- inherited unless `capture_output` is true.
--
-- process.stdin, process.stdout and process.stderr are files where they are pipes. Writing to a command that has ended raises
-- SIGPIPE in the host, as with io.popen(); give small input by `input`.
function Sandbox:spawn(args, options)
	options = options or {}
	check_options(options, commands.options, 2)
	local command, captured = commands.make(args, options)
	local handle = roots.build(self.root, native.viso_sandbox_spawn, self.view, command)
	return setmetatable({
		handle = handle,
		sandbox = self, -- its release would kill the command
		captured = captured,
		stdin = take_stream(handle, native.VISO_STDIN, options.stdin),
		stdout = take_stream(handle, native.VISO_STDOUT, options.stdout),
		stderr = take_stream(handle, native.VISO_STDERR, options.stderr),
	}, Process)
end

--- The strength: "jail", "container" or "guest".
function Sandbox:isolation()
	return native.viso_isolation_name(native.viso_sandbox_isolation(self.view))
end

--- Starts an instance that stays until close(): all later commands run in it and can signal each other, and what they leave
-- running in the background goes on running. As yet for a jail.
function Sandbox:start()
	roots.build(self.root, native.viso_sandbox_start, self.view)
end

--- The processes in the sandbox, a list of their ids on the host.
function Sandbox:pids()
	return native.viso_sandbox_pids(self.view)
end

--- Sends a signal, by number, to the program of every command that runs here; returns how many there are.
function Sandbox:signal(number)
	return native.viso_sandbox_signal(self.view, number)
end

--- Kills every command that runs here, with all that it started; returns how many there were. What a command that has ended left
-- running in the background (start) goes on until close().
function Sandbox:kill()
	return native.viso_sandbox_kill(self.view)
end

--- Kills what runs, waits until it is gone, and gives back what the kernel holds. A second call does nothing.
function Sandbox:close()
	native.viso_sandbox_close(self.view)
end

function Sandbox:__close(_)
	self:close()
end

-- In the order of the names, so that the same mistake is always told alike.
local function apply(handle, setters, options)
	local names_of = {}
	for name in pairs(setters) do
		names_of[#names_of + 1] = name
	end
	table.sort(names_of)
	for _, name in ipairs(names_of) do
		if options[name] ~= nil then
			setters[name](handle, options[name])
		end
	end
end

-- A constructor for a strength, from its functions and the setters of its options.
function sandboxes.constructor(noun, setters)
	local known = {root = true}
	for name in pairs(setters) do
		known[name] = true
	end
	local new, set_root = native["viso_" .. noun .. "_new"], native["viso_" .. noun .. "_set_root"]
	local view = native["viso_" .. noun .. "_sandbox"]

	return function(options)
		check_options(options, known, 2)
		if not roots.is_root(options.root) then
			error("the option root must be a virtiso.root", 2)
		end
		local handle = new()
		set_root(handle, options.root.handle)
		apply(handle, setters, options)
		return setmetatable({handle = handle, view = view(handle), root = options.root}, Sandbox)
	end
end

function sandboxes.sized(setter)
	return function(handle, value)
		setter(handle, size(value))
	end
end

function sandboxes.network(setter)
	return function(handle, value)
		setter(handle, value_of(networks, value, "network"))
	end
end


sandboxes.Sandbox = Sandbox

return sandboxes
