#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- Run a program of this host in a jail, a container or a guest: viso-run in Lua.

local virtiso = require "virtiso"

local usage = [==[
usage: run.lua [OPTION]... [--] COMMAND [ARGUMENT]...

Runs COMMAND isolated from this host, in a root file system of its own that has
the program with all that it needs and nothing else.

  --jail             in a chroot jail, hardened
  --container        in a container (the default)
  --guest            in a virtual machine under KVM (one process, one thread)
  --program PATH     put this program into the root too, with all that it needs
  --file PATH        put this file into the root too
  --memory SIZE      limit the memory: bytes, or such as 256M
  --timeout SECONDS  end it when so much time has passed, such as 2.5
  --net none|host    what it can reach by network (none is the default)
  --processes N      limit the processes and threads
  --user UID[:GID]   run it as this user
  --env NAME=VALUE   set a variable
  --cwd DIR          begin in this directory
  --usage            say what it used when it has ended
  --help             print this text

In a container only:
  --bind SOURCE[:PATH[:ro]]  show a file or directory of the host at PATH
  --tmpfs PATH[:SIZE]        an empty directory in memory
  --write discard|DIR        let it write everywhere in its root: to memory, or to DIR
                             (with a slash), which keeps it
  --net bridge|user|macvlan|ipvlan, --publish HOSTPORT:PORT, --dns ADDRESS
  --cpus N (such as 0.5), --hostname NAME, --cap NAME, --seccomp NAME|FILE

The exit code is that of COMMAND; 128 + N when signal N ended it, 124 when its
time was over, 125 when it could not be run.
]==]

local exit_timed_out, exit_own_error, exit_signal_base = 124, 125, 128 -- as timeout(1) and env(1) have it

local function complain(message)
	io.stderr:write("run.lua: ", tostring(message), "\n")
	return exit_own_error
end

local options = {capture_output = false, programs = {}, files = {}}
local show_usage = false

-- The parts of "a:b:c".
local function parts(text)
	return text:match("^([^:]*):?([^:]*):?(.*)$")
end

-- Puts a value into a table of options, which is made with the first one.
local function put(option, key, value)
	options[option] = options[option] or {}
	options[option][key] = value
end

local function append(option, value)
	put(option, #(options[option] or {}) + 1, value)
end

local flags = {
	["--jail"] = function() options.isolation = "jail" end,
	["--container"] = function() options.isolation = "container" end,
	["--guest"] = function() options.isolation = "guest" end,
	["--usage"] = function() show_usage = true end,
	["--help"] = function() io.write(usage) os.exit(0, true) end,
}
local settings = {
	["--program"] = function(path) table.insert(options.programs, path) end,
	["--file"] = function(path) table.insert(options.files, path) end,
	["--memory"] = function(size) options.memory_max = math.tointeger(size) or size end,
	["--timeout"] = function(seconds) options.timeout = tonumber(seconds) or seconds end,
	["--net"] = function(network) options.network = network end,
	["--processes"] = function(count) options.processes_max = tonumber(count) end,
	["--cwd"] = function(path) options.cwd = path end,
	["--env"] = function(text) put("env", text:match("^([^=]*)=(.*)$")) end,
	["--user"] = function(text)
		local user, group = parts(text)
		options.user, options.group = tonumber(user), tonumber(group)
	end,
	["--bind"] = function(text)
		local source, path, mode = parts(text)
		put("binds", path ~= "" and path or source, {source = source, read_only = mode == "ro"})
	end,
	["--tmpfs"] = function(text)
		local path, size = parts(text)
		put("tmpfs", path, size ~= "" and size or 0)
	end,
	["--write"] = function(how) options.writable = how end,
	["--cpus"] = function(cpus) options.cpu_max = tonumber(cpus) end,
	["--hostname"] = function(name) options.hostname = name end,
	["--cap"] = function(name) append("capabilities", name) end,
	["--seccomp"] = function(profile) options.seccomp = profile end,
	["--dns"] = function(address) append("dns", address) end,
	["--publish"] = function(text)
		local host_port, port = parts(text)
		put("ports", tonumber(host_port), tonumber(port))
	end,
}

-- The command: what follows the options.
local function parse_options()
	local i = 1
	while arg[i] and arg[i]:sub(1, 1) == "-" and arg[i] ~= "--" do
		local name, value = arg[i]:match("^(%-%-%a+)=(.*)$")
		name = name or arg[i]
		if flags[name] and not value then
			flags[name]()
		elseif settings[name] then
			if not value then
				i = i + 1
				value = arg[i] or error(name .. " wants a value; see run.lua --help", 0)
			end
			settings[name](value)
		else
			error("no option " .. arg[i] .. "; see run.lua --help", 0)
		end
		i = i + 1
	end
	local command = {table.unpack(arg, arg[i] == "--" and i + 1 or i)}
	return command[1] and command or error("COMMAND is missing; see run.lua --help", 0)
end

local function exit_code(result)
	if not result.ok then
		complain(result.description)
	end
	return result.exit_code or result.reason == "timed_out" and exit_timed_out
		or result.signal and exit_signal_base + result.signal or exit_own_error
end

local function print_usage(result)
	local names = {}
	for name in pairs(result.usage) do
		names[#names + 1] = name
	end
	table.sort(names)
	for _, name in ipairs(names) do
		io.stderr:write(("run.lua: %-24s %s\n"):format(name, result.usage[name]))
	end
end

local ok, result = pcall(function() return virtiso.run(parse_options(), options) end)
if ok and show_usage then
	print_usage(result)
end
os.exit(ok and exit_code(result) or complain(result), true)
