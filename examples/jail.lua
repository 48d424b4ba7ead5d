#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- Put a jail together, keep it up to date, and run programs in it: viso-jail in Lua.

local virtiso = require "virtiso"

local usage = [[
usage: jail.lua plan   [RECIPE]...
       jail.lua build  [RECIPE]... DIR
       jail.lua update [RECIPE]... DIR
       jail.lua verify|list|remove [--json] DIR
       jail.lua exec   [--timeout SECONDS] [--demand LEVEL] DIR [--] COMMAND...

RECIPE: what the jail contains
  --program PATH   a program with all that it needs
  --library PATH   a library that it loads by itself
  --package NAME   an installed package with all its files
  --file PATH      a file of this machine
  --store DIR      share contents with other jails
  --json           print JSON

DIR is an absolute path. The exit code is 0, 1 where verify finds a difference
or remove leaves something, 125 for an error; of exec that of COMMAND, 128 + N
when signal N ended it, 124 when its time was over.
]]

local exit_timed_out, exit_own_error, exit_signal_base = 124, 125, 128 -- as timeout(1) and env(1) have it

local options = {}
local recipe = {programs = {}, libraries = {}, packages = {}, files = {}}

local settings = {
	["--program"] = function(value) table.insert(recipe.programs, value) end,
	["--library"] = function(value) table.insert(recipe.libraries, value) end,
	["--package"] = function(value) table.insert(recipe.packages, value) end,
	["--file"] = function(value) table.insert(recipe.files, value) end,
	["--store"] = function(value) recipe.store = value end,
	["--timeout"] = function(value) options.timeout = tonumber(value) or error("--timeout wants seconds", 0) end,
	["--demand"] = function(value) options.demand = value end,
}

-- What follows the options.
local function parse_options()
	local i = 2
	while arg[i] and arg[i]:sub(1, 1) == "-" do
		if arg[i] == "--json" then
			options.json = true
		elseif settings[arg[i]] and arg[i + 1] then
			settings[arg[i]](arg[i + 1])
			i = i + 1
		else
			error("no option " .. arg[i] .. ", or without a value; see jail.lua --help", 0)
		end
		i = i + 1
	end
	return {table.unpack(arg, i)}
end

-- A string as JSON has it; Latin 1 where it is no UTF-8.
local function quote(text)
	local shown = text:gsub('["\\%c]', function(c) return ("\\u%04x"):format(c:byte()) end)
	if not utf8.len(text) then
		shown = shown:gsub("[\x80-\xff]", function(c) return ("\\u%04x"):format(c:byte()) end)
	end
	return '"' .. shown .. '"'
end

-- What a terminal would obey is a question mark.
local function safe(text)
	local shown = text:gsub("%c", "?"):gsub("\xc2[\x80-\x9f]", "?")
	return utf8.len(shown) and shown or (shown:gsub("[\x80-\xff]", "?"))
end

local fields = {"path", "type", "mode", "size", "sha256", "link", "reason", "state"}

local function print_entries(entries)
	local rows = {}
	for i, entry in ipairs(entries) do
		if options.json then
			local members = {}
			for k, name in ipairs(fields) do
				local value = entry[name]
				members[k] = quote(name) .. ": " .. (type(value) == "string" and quote(value) or value)
			end
			rows[i] = " {" .. table.concat(members, ", ") .. "}"
		else
			print(("%-8s %-9s %s  (%s)"):format(entry.state, entry.type, safe(entry.path), safe(entry.reason)))
		end
	end
	if options.json then
		print("[\n" .. table.concat(rows, ",\n") .. "\n]")
	end
end

local function print_count(name, count, directory)
	print(options.json and ('{"%s": %d, "directory": %s}'):format(name, count, quote(directory)) or count .. " " .. name)
end

local commands = {}

function commands.plan()
	print_entries(virtiso.root(recipe):plan())
	return 0
end

function commands.build(directory)
	recipe.path = directory
	local root = virtiso.root(recipe)
	root:build()
	print_count("entries", #root:manifest(), directory)
	return 0
end

function commands.update(directory)
	recipe.path = directory
	print_count("changed", virtiso.root(recipe):update(), directory)
	return 0
end

function commands.verify(directory)
	local differences = virtiso.root{directory = directory}:verify()
	print_entries(differences)
	return #differences > 0 and 1 or 0
end

function commands.list(directory)
	print_entries(virtiso.root{directory = directory}:manifest())
	return 0
end

function commands.remove(directory)
	local left = virtiso.root{directory = directory}:remove()
	print_count("left", left, directory)
	return left > 0 and 1 or 0
end

function commands.exec(directory, ...)
	local command = {...}
	if command[1] == "--" then
		table.remove(command, 1)
	end
	local jail <close> = virtiso.jail{root = virtiso.root{directory = directory}, demand = options.demand}
	local result = jail:run(command, {capture_output = false, timeout = options.timeout})
	if not result.ok then
		io.stderr:write("jail.lua: ", result.description, "\n")
	end
	return result.exit_code or result.reason == "timed_out" and exit_timed_out
		or result.signal and exit_signal_base + result.signal or exit_own_error
end

local function main()
	if arg[1] == "--help" then
		io.write(usage)
		return 0
	end
	local call = commands[arg[1]] or error("no command " .. tostring(arg[1]) .. "; see jail.lua --help", 0)
	local rest = parse_options()
	if not rest[1] and arg[1] ~= "plan" then
		error("a directory is wanted; see jail.lua --help", 0)
	end
	return call(table.unpack(rest))
end

local ok, result = pcall(main)
if not ok then
	io.stderr:write("jail.lua: ", safe(tostring(result)), "\n")
end
os.exit(ok and result or exit_own_error, true)
