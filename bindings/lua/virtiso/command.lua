-- SPDX-License-Identifier: MIT
-- What to run, from the arguments of box:run() and box:spawn().

local native = require "virtiso.native"
local support = require "virtiso.support"

local names = support.names
local value_of = support.value_of
local set = support.set
local size = support.size
local milliseconds = support.milliseconds

local modes = names("VISO_STDIO_", "inherit null pipe stdout")
local rlimits = names("VISO_RLIMIT_", "address_space core cpu data file_size open_files processes stack locked_memory")
local schedulers = names("VISO_SCHEDULER_", "other fifo rr batch idle")

local commands = {}

local Command = {__name = "virtiso.command"}

commands.options = set [[input stdin stdout stderr capture_output capture_max timeout cpu_time env clear_env cwd user
	group groups rlimits fds terminal umask nice scheduler priority cpu_affinity oom_score_adj]]

local function set_stream(command, stream, setting)
	if modes[setting] then
		native.viso_command_set_stdio(command, stream, modes[setting])
	elseif math.type(setting) == "integer" then
		native.viso_command_set_stdio_fd(command, stream, setting)
	elseif io.type(setting) then
		native.viso_command_set_stdio_fd(command, stream, native.stream_fd(setting))
	else
		error("a stream is \"inherit\", \"null\", \"pipe\", \"stdout\", a file or a fd", 0)
	end
end

local function set_output(command, stream, setting, options)
	if setting == "capture" or (setting == nil and options.capture_output) then
		native.viso_command_capture_stream(command, stream, size(options.capture_max or "1M"))
		return true
	elseif setting ~= nil then
		set_stream(command, stream, setting)
	end
	return false
end

local function set_streams(command, options)
	if options.input ~= nil then
		if options.stdin ~= nil then
			error("stdin and input exclude each other", 0)
		end
		native.viso_command_set_input(command, options.input)
	elseif options.stdin ~= nil then
		set_stream(command, native.VISO_STDIN, options.stdin)
	end
	return {
		[native.VISO_STDOUT] = set_output(command, native.VISO_STDOUT, options.stdout, options),
		[native.VISO_STDERR] = set_output(command, native.VISO_STDERR, options.stderr, options),
	}
end

local function set_limits(command, options)
	if options.timeout then
		native.viso_command_set_timeout_ms(command, milliseconds(options.timeout, "timeout"))
	end
	if options.cpu_time then
		native.viso_command_set_cpu_time_ms(command, milliseconds(options.cpu_time, "cpu_time"))
	end
	for name, value in pairs(options.rlimits or {}) do
		native.viso_command_set_rlimit(command, value_of(rlimits, name, "resource limit"), size(value))
	end
end

local function set_attributes(command, options)
	if options.terminal then
		native.viso_command_set_terminal(command, options.terminal[1], options.terminal[2])
	end
	if options.umask then
		native.viso_command_set_umask(command, options.umask)
	end
	if options.nice then
		native.viso_command_set_nice(command, options.nice)
	end
	if options.scheduler then
		native.viso_command_set_scheduler(command, value_of(schedulers, options.scheduler, "scheduler"), options.priority or 0)
	end
	if options.cpu_affinity then
		native.viso_command_set_cpu_affinity(command, options.cpu_affinity)
	end
	if options.oom_score_adj then
		native.viso_command_set_oom_score_adj(command, options.oom_score_adj)
	end
end

--- A command that was made elsewhere, as by virtiso.load_bundle(); given in the place of the table of arguments.
function commands.wrap(handle)
	return setmetatable({handle = handle}, Command)
end

-- The raw command, and which outputs it captures.
function commands.make(args, options)
	if getmetatable(args) ~= Command and (type(args) ~= "table" or args[1] == nil) then
		error("the first argument must be a table of the program and its arguments", 0)
	end
	local command = args.handle or native.viso_command_new(args[1])
	for i = 2, #args do
		native.viso_command_add_arg(command, args[i])
	end
	if options.clear_env then
		native.viso_command_clear_env(command)
	end
	for name, value in pairs(options.env or {}) do
		if value == false then
			error(("the variable '%s' must be a string, or true for the host's own value"):format(name), 0)
		end
		native.viso_command_set_env(command, name, value ~= true and value or nil)
	end
	if options.cwd then
		native.viso_command_set_cwd(command, options.cwd)
	end
	if options.user then
		native.viso_command_set_user(command, options.user, options.group or options.user)
	elseif options.group then
		error("a group needs a user", 0)
	end
	if options.groups then
		native.viso_command_set_groups(command, options.groups)
	end
	set_limits(command, options)
	set_attributes(command, options)
	for number, file in pairs(options.fds or {}) do
		native.viso_command_add_fd(command, io.type(file) and native.stream_fd(file) or file, number)
	end
	return command, set_streams(command, options)
end

return commands
