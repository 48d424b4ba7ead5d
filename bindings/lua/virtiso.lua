-- SPDX-License-Identifier: MIT
--- Run a program isolated at one of three strengths: chroot jail, namespace container, KVM guest.
--
--     local virtiso = require "virtiso"
--     local box <close> = virtiso.container{root = virtiso.root{programs = {"/usr/bin/python3"}}, memory_max = "256M"}
--     print(box:run({"python3", "-c", "print(6 * 7)"}, {timeout = 2}).stdout)
--
-- A failed call throws an object with the fields errno, stage, object and message; tostring() gives the message, and
-- virtiso.is_error() knows it. Only process:wait() with a time-out returns nil, message, errno where the command still runs.
-- Strings may contain any bytes, zero bytes too where they are data.
--
-- After fork() the child's calls fail with ECHILD.

local native = require "virtiso.native"

local virtiso = {}

local version = native.viso_version()
virtiso.VERSION = ("%d.%d.%d"):format(version >> 16, version >> 8 & 255, version & 255)

--- What a resource limit is set to for "no limit".
virtiso.UNLIMITED = native.VISO_UNLIMITED

-- Errors ---------------------------------------------------------------------------------------------------------------

local Error = native.error_metatable()

function Error:__tostring()
	return self.message
end

--- Whether something that was thrown is a failure of the library.
function virtiso.is_error(value)
	return getmetatable(value) == Error
end

-- Enumerations: names in lower case, as in the C API without the prefix -----------------------------------------------------

local function names(prefix, list)
	local values = {}
	for name in list:gmatch("%S+") do
		values[name] = native[prefix .. name:upper()]
	end
	return values
end

local networks = names("VISO_NETWORK_", "none host")
local reasons = names("VISO_REASON_", "exited signalled timed_out cpu_time out_of_memory killed seccomp guest_fault")
local features = names("VISO_FEATURE_", [[jail container guest user_namespaces landlock landlock_scope seccomp memory_limit
	process_limit new_mount_api kvm kvm_ring0]])
local levels = names("VISO_LOG_", "error warning info debug")
local rlimits = names("VISO_RLIMIT_", "address_space core cpu data file_size open_files processes stack locked_memory")
local providers = names("VISO_PROVIDER_", "dlopen_notes nss gconv pam openssl locale zoneinfo certificates runtime")
local copy_methods = names("VISO_COPY_", "auto reflink bytes hardlink")
local kept = names("VISO_KEEP_", "setuid capabilities")
local image_formats = names("VISO_IMAGE_", "initramfs erofs")
local hardenings = names("VISO_HARDENING_", "none privileges files scopes")
local modes = names("VISO_STDIO_", "inherit null pipe stdout")
local usages = names("VISO_USAGE_", [[wall_us user_us system_us memory_peak minor_faults major_faults blocks_in blocks_out
	voluntary_switches involuntary_switches]])

--- The names of the features that machine:supports() knows.
virtiso.features = {}
for name, value in pairs(features) do
	virtiso.features[value + 1] = name
end

local function name_of(values, wanted)
	for name, value in pairs(values) do
		if value == wanted then
			return name
		end
	end
	return tostring(wanted)
end

-- Without `level` the error says no position.
local function value_of(values, name, what, level)
	local value = values[name]
	if not value then
		error(("no %s %q"):format(what, tostring(name)), level and level + 1 or 0)
	end
	return value
end

-- Options ----------------------------------------------------------------------------------------------------------------

-- A misspelt option must not be silence: it may be the one that was to confine the program.
local function check_options(options, known, level)
	if type(options) ~= "table" then
		error("a table of options is expected, not " .. type(options), level + 1)
	end
	for name in pairs(options) do
		if not known[name] then
			error(("no option %q"):format(tostring(name)), level + 1)
		end
	end
end

local function set(list)
	local result = {}
	for name in list:gmatch("%S+") do
		result[name] = true
	end
	return result
end

local powers = {[""] = 0, K = 10, M = 20, G = 30, T = 40}

-- Bytes of 65536, "64K", "256M", "1.5G".
local function size(value)
	if type(value) ~= "string" then
		return value
	end
	local number, unit = value:upper():match("^%s*(%d+%.?%d*)%s*([KMGT]?)I?B?%s*$")
	if not number then
		error(("not a size: %q; write a number of bytes, or for example \"256M\""):format(value), 0)
	end
	return math.floor(tonumber(number) * (1 << powers[unit]))
end

-- Milliseconds of seconds, rounded up, at least 1: for the library 0 means no limit.
local function milliseconds(seconds, what)
	if type(seconds) ~= "number" or not (seconds >= 0) then
		error(what .. " must be a number of seconds that is not negative", 0)
	end
	return math.max(1, math.ceil(seconds * 1000))
end

-- Roots -------------------------------------------------------------------------------------------------------------------

local Root = {__name = "virtiso.root"}
Root.__index = Root

--- Adds a program of the host with everything that it needs: an absolute path, or a name looked up in the default PATH.
function Root:add_program(program)
	native.viso_root_add_program(self.handle, program)
end

--- Adds a file of the host, at `target` in the root or at the same path.
function Root:add_file(path, target)
	native.viso_root_add_file(self.handle, path, target)
end

--- Adds a directory of the host with all that is below it, at `target` in the root or at the same path.
function Root:add_directory(path, target)
	native.viso_root_add_directory(self.handle, path, target)
end

--- Adds a file with these contents; `mode` is 0644 (tonumber("644", 8)) unless given.
function Root:add_data(target, data, mode)
	native.viso_root_add_data(self.handle, target, data, mode or 420)
end

--- Adds a shared library that a program loads by itself, with the libraries that it needs: a path or a soname.
function Root:add_library(library)
	native.viso_root_add_library(self.handle, library)
end

--- Adds all files of an installed package, with what its programs and libraries need.
function Root:add_package(package)
	native.viso_root_add_package(self.handle, package)
end

--- Adds a device of the host at the same path.
function Root:add_device(path)
	native.viso_root_add_device(self.handle, path)
end

--- Adds a user to /etc/passwd; the home is "/" and the shell "/bin/sh" where they are not given.
function Root:add_user(name, uid, gid, home, shell)
	native.viso_root_add_user(self.handle, name, uid, gid, home, shell)
end

--- Adds a group to /etc/group.
function Root:add_group(name, gid)
	native.viso_root_add_group(self.handle, name, gid)
end

--- Unpacks a tar archive as a base, at `target` in the root or at "/".
function Root:add_archive(path, target)
	native.viso_root_add_archive(self.handle, path, target)
end

--- Lets `progress(done, total, path)` hear how far building is; nil for nobody. What it throws is thrown by the build, and what
-- it returns cancels the build where that is true. It must not use the root, but for root:cancel() and root:path().
function Root:set_progress(progress)
	local raised = self.raised
	self.progress = progress and function(...)
		local ok, cancel = pcall(progress, ...)
		if not ok then
			raised.error = cancel
		end
		return not ok or cancel
	end
	native.viso_root_set_progress_handler(self.handle, self.progress)
end

-- Calls what may build the root; what its progress function threw is thrown here.
local function build(root, call, ...)
	root.raised.error = nil
	local ok, result = pcall(call, ...)
	if not ok then
		error(root.raised.error ~= nil and root.raised.error or result, 0)
	end
	return result
end

--- Builds the root now; without this call the first start of a sandbox does it.
function Root:build()
	build(self, native.viso_root_build, self.handle)
end

--- Brings the directory of the option `path` to what the root says now; returns how many entries were made, changed or removed.
function Root:update()
	return build(self, native.viso_root_update, self.handle)
end

--- Cancels the build that runs; for its progress function.
function Root:cancel()
	native.viso_root_cancel(self.handle)
end

local states = names("VISO_ENTRY_", "right missing retyped changed chmodded unknown")

-- A list of entries, tables with the fields path, type, mode, size, sha256, link, reason, state.
local function entries(handle)
	local list = {}
	for i = 0, native.viso_manifest_count(handle) - 1 do
		list[i + 1] = {
			path = native.viso_manifest_path(handle, i),
			type = native.viso_entry_type_name(native.viso_manifest_type(handle, i)),
			mode = native.viso_manifest_mode(handle, i),
			size = native.viso_manifest_size(handle, i),
			sha256 = native.viso_manifest_sha256(handle, i),
			link = native.viso_manifest_link(handle, i),
			reason = native.viso_manifest_reason(handle, i),
			state = name_of(states, native.viso_manifest_state(handle, i)),
		}
	end
	return list
end

--- What the root would contain, without making anything: a list of entries, tables with the fields
--   path, type ("directory", "file", "link", "device"), mode, size, sha256, link, reason, state.
function Root:plan()
	return entries(native.viso_root_plan(self.handle))
end

--- The record of what was built, and why: a list of entries.
function Root:manifest()
	return entries(native.viso_root_manifest(self.handle))
end

-- The entries that are not right.
local function differences(handle)
	local list = {}
	for _, entry in ipairs(entries(handle)) do
		if entry.state ~= "right" then
			list[#list + 1] = entry
		end
	end
	return list
end

--- Compares what was built with its record; returns a list of the entries that differ, each with its `state`: "missing",
-- "retyped", "changed", "chmodded", "unknown". Files that the library did not make are not looked at.
function Root:verify()
	return differences(native.viso_root_verify(self.handle))
end

--- Writes the record into a file, in the format of mtree(5).
function Root:save_manifest(path)
	native.viso_manifest_save(native.viso_root_manifest(self.handle), path)
end

--- Compares a directory with a record that root:save_manifest() wrote; returns what root:verify() returns.
function virtiso.verify(path, directory)
	return differences(native.viso_manifest_verify(native.viso_manifest_load(path), directory))
end

--- Removes what was built; returns how many entries stay, since files lie in them that the library did not make.
function Root:remove()
	return native.viso_root_remove(self.handle)
end

--- Packs the root into a file: `format` is "initramfs" (where it is not given) or "erofs".
function Root:write_image(path, format)
	local number = value_of(image_formats, format or "initramfs", "image format", 2)
	build(self, native.viso_image_write, self.handle, number, path)
end

--- Removes from a store what no root uses any more; returns how many files that were.
function virtiso.prune_store(path)
	return native.viso_root_prune_store(path)
end

--- The directory on the host in which the root lies; nil before it is built.
function Root:path()
	local ok, path = pcall(native.viso_root_path, self.handle)
	return ok and path or nil
end

local root_lists = {"programs", "libraries", "packages", "files", "directories", "data", "devices", "users", "groups",
	"providers_off", "keep"}
local root_options = set [[programs libraries packages files directories data devices users groups source archive image
	providers_off copy_method store keep progress path directory]]

local function pair(value)
	return table.unpack(type(value) == "table" and value or {value}, 1, 2)
end

-- What must be said before anything is added.
local function begin_root(root, options)
	local handle = root.handle
	if options.directory then
		native.viso_root_use_directory(handle, options.directory)
	end
	if options.source then
		native.viso_root_set_source(handle, options.source)
	end
	if options.image then
		native.viso_root_add_image(handle, pair(options.image))
	end
	if options.path then
		native.viso_root_set_path(handle, options.path)
	end
	for _, name in ipairs(options.providers_off or {}) do
		native.viso_root_set_provider(handle, value_of(providers, name, "provider"), 0)
	end
	if options.copy_method then
		native.viso_root_set_copy_method(handle, value_of(copy_methods, options.copy_method, "copy method"))
	end
	if options.store then
		native.viso_root_set_store(handle, options.store)
	end
	local keep = 0
	for _, name in ipairs(options.keep or {}) do
		keep = keep | value_of(kept, name, "privilege")
	end
	if keep ~= 0 then
		native.viso_root_set_keep(handle, keep)
	end
	if options.progress then
		root:set_progress(options.progress)
	end
	if options.archive then
		root:add_archive(pair(options.archive))
	end
end

--- Makes a root file system from a table of options, all of them optional:
--   programs       list of programs
--   libraries      list of shared libraries that the programs load by themselves (plugins)
--   packages       list of installed packages
--   files          list of paths, or of {path, target}
--   directories    list of paths, or of {path, target}
--   data           table of contents by path in the root; contents may be {bytes, mode}
--   devices        list of devices of the host
--   users          list of {name, uid, gid, home, shell}; the last two may be missing
--   groups         table of numbers by name
--   source         another tree than the host's, from which all of this is taken
--   archive        a tar archive to begin with, or {path, target}
--   image          a directory with an OCI image layout to begin with, or {directory, reference}
--   providers_off  list of rules that shall add nothing, such as "nss"
--   copy_method    "auto", "reflink", "bytes", "hardlink"
--   store          a directory in which roots share their contents
--   keep           list of "setuid", "capabilities"
--   progress       function(done, total, path), called while it is built
--   path           where to build it; that directory is kept
--   directory      an existing directory that is used as it is
function virtiso.root(options)
	options = options or {}
	check_options(options, root_options, 2)
	for _, name in ipairs(root_lists) do
		if options[name] ~= nil and type(options[name]) ~= "table" then
			error(("the option '%s' must be a table"):format(name), 2)
		end
	end
	local root = setmetatable({handle = native.viso_root_new(), raised = {}}, Root)
	begin_root(root, options)
	for _, name in ipairs {"program", "library", "package", "device"} do
		local list = name == "library" and "libraries" or name .. "s"
		for _, value in ipairs(options[list] or {}) do
			root["add_" .. name](root, value)
		end
	end
	for _, file in ipairs(options.files or {}) do
		root:add_file(pair(file))
	end
	for _, directory in ipairs(options.directories or {}) do
		root:add_directory(pair(directory))
	end
	for target, contents in pairs(options.data or {}) do
		root:add_data(target, pair(contents))
	end
	for name, gid in pairs(options.groups or {}) do
		root:add_group(name, gid)
	end
	for _, user in ipairs(options.users or {}) do
		root:add_user(table.unpack(user, 1, 5))
	end
	return root
end

-- Commands ----------------------------------------------------------------------------------------------------------------

local command_options = set [[input stdin stdout stderr capture_output capture_max timeout cpu_time env clear_env cwd user
	group groups rlimits fds]]

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

-- The raw command, and which outputs it captures.
local function make_command(args, options)
	if type(args) ~= "table" or args[1] == nil then
		error("the first argument must be a table of the program and its arguments", 0)
	end
	local command = native.viso_command_new(args[1])
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
	for number, file in pairs(options.fds or {}) do
		native.viso_command_add_fd(command, io.type(file) and native.stream_fd(file) or file, number)
	end
	return command, set_streams(command, options)
end

-- Results -----------------------------------------------------------------------------------------------------------------

local Result = {__name = "virtiso.result"}
Result.__index = Result

function Result:__tostring()
	return self.description
end

local function make_result(handle, captured)
	local exit_code = native.viso_result_exit_code(handle)
	local signal = native.viso_result_signal(handle)
	local usage = {}
	for name, value in pairs(usages) do
		usage[name] = native.viso_result_usage(handle, value)
	end
	local function output(stream)
		return captured[stream] and native.viso_result_output(handle, stream) or nil
	end
	return setmetatable({
		ok = exit_code == 0,
		reason = name_of(reasons, native.viso_result_reason(handle)),
		exit_code = exit_code >= 0 and exit_code or nil,
		signal = signal > 0 and signal or nil,
		description = native.viso_result_describe(handle),
		stdout = output(native.VISO_STDOUT),
		stderr = output(native.VISO_STDERR),
		stdout_truncated = native.viso_result_output_truncated(handle, native.VISO_STDOUT) == 1,
		stderr_truncated = native.viso_result_output_truncated(handle, native.VISO_STDERR) == 1,
		usage = usage,
	}, Result)
end

-- Processes ---------------------------------------------------------------------------------------------------------------

local Process = {__name = "virtiso.process"}
Process.__index = Process

local function take_stream(handle, stream, setting)
	return setting == "pipe" and native.take_stream(handle, stream) or nil
end

--- The process id on the host; 0 for a guest.
function Process:pid()
	return native.viso_process_pid(self.handle)
end

--- A fd that becomes readable when the command has ended, for an event loop. Never read from it.
function Process:fd()
	return native.viso_process_fd(self.handle)
end

--- Waits for the end and returns the result. With a time-out in seconds (0 only asks) it returns nil, a message and the errno
-- where the command still runs.
function Process:wait(timeout)
	if not self.result then
		local ms = -1
		if timeout then
			ms = timeout == 0 and 0 or math.min(milliseconds(timeout, "timeout"), 0x7fffffff)
		end
		local handle, message, number = native.viso_process_wait(self.handle, ms)
		if not handle then
			return nil, message, number
		end
		self.result = make_result(handle, self.captured)
	end
	return self.result
end

--- Sends a signal, by number, to the program. Nothing happens where its end is known already.
function Process:signal(number)
	if not self.result then
		native.viso_process_signal(self.handle, number)
	end
end

--- Kills the command and all that it started.
function Process:kill()
	native.viso_process_kill(self.handle)
end

--- Kills the command where it still runs, waits for its end, and closes the streams.
function Process:close()
	if not self.result then
		self:kill()
	end
	for _, name in ipairs {"stdin", "stdout", "stderr"} do
		local stream = self[name]
		if io.type(stream) == "file" then
			stream:close()
		end
	end
	self:wait()
end

-- The second argument is whatever was thrown in the block; it goes on its way when this returns.
function Process:__close(_)
	self:close()
end

-- Sandboxes ---------------------------------------------------------------------------------------------------------------

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
	check_options(options, command_options, 2)
	if options.capture_output == nil then
		options = setmetatable({capture_output = true}, {__index = options})
	end
	local command, captured = make_command(args, options)
	return make_result(build(self.root, native.viso_sandbox_run, self.view, command), captured)
end

--- Starts a command and returns a process while it runs. Options as for run(); streams may be "pipe", and outputs are
-- inherited unless `capture_output` is true.
--
-- process.stdin, process.stdout and process.stderr are files where they are pipes. Writing to a command that has ended raises
-- SIGPIPE in the host, as with io.popen(); give small input by `input`.
function Sandbox:spawn(args, options)
	options = options or {}
	check_options(options, command_options, 2)
	local command, captured = make_command(args, options)
	local handle = build(self.root, native.viso_sandbox_spawn, self.view, command)
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
	build(self.root, native.viso_sandbox_start, self.view)
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
local function constructor(noun, setters)
	local known = {root = true}
	for name in pairs(setters) do
		known[name] = true
	end
	local new, set_root = native["viso_" .. noun .. "_new"], native["viso_" .. noun .. "_set_root"]
	local view = native["viso_" .. noun .. "_sandbox"]

	return function(options)
		check_options(options, known, 2)
		if getmetatable(options.root) ~= Root then
			error("the option root must be a virtiso.root", 2)
		end
		local handle = new()
		set_root(handle, options.root.handle)
		apply(handle, setters, options)
		return setmetatable({handle = handle, view = view(handle), root = options.root}, Sandbox)
	end
end

local function sized(setter)
	return function(handle, value)
		setter(handle, size(value))
	end
end

local function network(setter)
	return function(handle, value)
		setter(handle, value_of(networks, value, "network"))
	end
end

--- Makes a chroot jail. Options: root, memory_max, processes_max, network ("none" or "host"), hardened (false for chroot(2) alone,
-- which is no security boundary), demand (the least level of hardening: "privileges", "files", "scopes").
local new_jail = constructor("jail", {
	memory_max = sized(native.viso_jail_set_memory_max),
	processes_max = native.viso_jail_set_processes_max,
	network = network(native.viso_jail_set_network),
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

function virtiso.jail(options)
	return setmetatable(new_jail(options), Jail)
end

--- Makes a container. Options: root, memory_max, processes_max, network ("none" or "host"), hostname, capabilities (a list).
virtiso.container = constructor("container", {
	memory_max = sized(native.viso_container_set_memory_max),
	processes_max = native.viso_container_set_processes_max,
	network = network(native.viso_container_set_network),
	hostname = native.viso_container_set_hostname,
	capabilities = function(handle, capabilities)
		for _, capability in ipairs(capabilities) do
			native.viso_container_add_capability(handle, capability)
		end
	end,
})

--- Makes a program guest. Options: root, memory_max, network ("none" is the only one).
virtiso.guest = constructor("guest", {
	memory_max = sized(native.viso_guest_set_memory_max),
	network = function(_, value)
		if value ~= "none" then
			error("a guest has no network", 0)
		end
	end,
})

-- One command in a sandbox of its own ---------------------------------------------------------------------------------------

local sandbox_option_names = set "memory_max processes_max network hostname capabilities hardened demand"

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
		elseif name == "root" or sandbox_option_names[name] then
			sandbox_options[name] = value
		elseif root_options[name] then
			of_root[name] = value
		else
			of_command[name] = value
		end
	end
	check_options(of_command, command_options, 2)
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

-- The host ------------------------------------------------------------------------------------------------------------------

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
function virtiso.machine()
	return setmetatable({handle = native.viso_machine_new()}, Machine)
end

-- Messages ------------------------------------------------------------------------------------------------------------------

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
