-- SPDX-License-Identifier: MIT
-- What jail, container and guest have in common.

local native = require "virtiso.native"
local support = require "virtiso.support"

local commands = require "virtiso.command"
local processes = require "virtiso.process"
local results = require "virtiso.result"
local roots = require "virtiso.root"
local names = support.names
local name_of = support.name_of
local value_of = support.value_of
local check_options = support.check_options
local size = support.size

local networks = names("VISO_NETWORK_", "none host bridge macvlan ipvlan user")
local events = names("VISO_EVENT_", "ended out_of_memory memory_high memory_max processes_max paused resumed")

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
--   umask, nice, cpu_affinity, oom_score_adj, scheduler ("batch", "idle", "fifo", "rr"), priority   not in a guest
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
-- inherited unless `capture_output` is true. `terminal` = {columns, rows} gives it a terminal of its own, to whose two directions
-- process.stdin and process.stdout lead. Reading process.stdout fails once the program has closed it, so read lines or blocks:
-- read("a") then gives nil and an error in the place of all that was shown.
--
-- process.stdin, process.stdout and process.stderr are files where they are pipes. Writing to a command that has ended raises
-- SIGPIPE in the host, as with io.popen(); give small input by `input`.
function Sandbox:spawn(args, options)
	options = options or {}
	check_options(options, commands.options, 2)
	local command, captured = commands.make(args, options)
	return self:started(roots.build(self.root, native.viso_sandbox_spawn, self.view, command), captured, options)
end

-- The process of a raw handle.
function Sandbox:started(handle, captured, options)
	local process = processes.make(handle, self, captured, options) -- which holds us: our release would kill the command
	self.processes[native.viso_process_fd(handle)] = process
	return process
end

--- The strength: "jail", "container" or "guest".
function Sandbox:isolation()
	return native.viso_isolation_name(native.viso_sandbox_isolation(self.view))
end

--- Starts an instance that stays until close(): all later commands run in it and can signal each other, and what they leave
-- running in the background goes on running. Not for a guest.
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

--- Stops all processes of all running commands, without their taking notice; returns how many commands that are.
function Sandbox:pause()
	return native.viso_sandbox_pause(self.view)
end

--- Lets them go on.
function Sandbox:resume()
	return native.viso_sandbox_resume(self.view)
end

--- What all running commands use together at this moment, a table as in a result.
function Sandbox:usage()
	return results.usage(native.viso_sandbox_usage, self.view)
end

--- A fd that becomes readable when there is an event. Never read from it. Only commands that start after the first call tell.
function Sandbox:fd()
	return native.viso_sandbox_fd(self.view)
end

--- The next event and the process that it is about, nil where its end was fetched by wait() before; nil where there is no event.
-- Events are "ended", "out_of_memory", "memory_high",
-- "memory_max", "processes_max", "paused", "resumed".
function Sandbox:next_event()
	local event, handle = native.viso_sandbox_next_event(self.view)
	if event == native.VISO_EVENT_NONE then
		return nil
	end
	return name_of(events, event), handle and self.processes[native.viso_process_fd(handle)]
end

--- Copies a file or directory tree of the host into the running instance (start).
function Sandbox:copy_in(source, path)
	native.viso_sandbox_copy_in(self.view, source, path)
end

--- Copies a file or directory tree out of the running instance, to a path that is not there yet. Nothing in it is trusted; returns
-- how many entries were left out: devices, FIFOs, sockets.
function Sandbox:copy_out(path, destination)
	return native.viso_sandbox_copy_out(self.view, path, destination)
end

--- Kills what runs, waits until it is gone, and gives back what the kernel holds. A second call does nothing.
function Sandbox:close()
	native.viso_sandbox_close(self.view)
end

function Sandbox:__close(_)
	self:close()
end

-- By their fds, which two of them never share.
local weak = {__mode = "v"}

-- The sandbox of a raw handle; one that was found, or loaded, has no root of ours.
function sandboxes.make(handle, view, root)
	return setmetatable({handle = handle, view = view, root = root, processes = setmetatable({}, weak)}, Sandbox)
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
			local ok, failure = pcall(setters[name], handle, options[name])
			if not ok then -- a mistake in the value is told with the option, not with a line in here
				error(type(failure) == "string" and ("option %s: %s"):format(name, (failure:gsub("^%S+%.lua:%d+: ", ""))) or failure, 0)
			end
		end
	end
end

-- A constructor for a strength, from its functions and the setters of its options; and from the options that `finish` applies
-- together, after the others. `is_rootless` tells whether options go without a root.
function sandboxes.constructor(noun, setters, others, finish, is_rootless)
	local known = {root = true}
	for _, options in ipairs {setters, others} do
		for name in pairs(options) do
			known[name] = true
		end
	end
	local new, set_root = native["viso_" .. noun .. "_new"], native["viso_" .. noun .. "_set_root"]
	local view = native["viso_" .. noun .. "_sandbox"]

	return function(options)
		check_options(options, known, 3)
		local has_root = roots.is_root(options.root)
		if not has_root and (options.root ~= nil or not (is_rootless and is_rootless(options))) then
			error("the option root must be a virtiso.root", 3)
		end
		local handle = new()
		if has_root then
			set_root(handle, options.root.handle)
		end
		apply(handle, setters, options)
		if finish then
			finish(handle, options)
		end
		return sandboxes.make(handle, view(handle), options.root)
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
