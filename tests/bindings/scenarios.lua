-- SPDX-License-Identifier: MIT
-- scenarios.lua TABLE: runs the table of scenarios with the Lua module; one case for each scenario and strength.

local tap = require "tap"
local virtiso = require "virtiso"

local lists = {arg = true, env = true, needs = true}
local escapes = {n = "\n", t = "\t", ["0"] = "\0", ["\\"] = "\\"}

local function unescape(text)
	return (text:gsub("\\(.)(%x?%x?)", function(letter, digits)
		return letter == "x" and string.char(tonumber(digits, 16)) or escapes[letter] .. digits
	end))
end

local function read_table(path)
	local scenarios = {}
	for line in io.lines(path) do
		local name = line:match("^%[(.*)%]$")
		local key, value = line:match("^(%l[%l_]*): (.*)$")
		if name then
			table.insert(scenarios, {name = name, arg = {}, env = {}, needs = {}})
		elseif key and lists[key] then
			table.insert(scenarios[#scenarios][key], unescape(value))
		elseif key then
			scenarios[#scenarios][key] = unescape(value)
		end
	end
	return scenarios
end

local function seconds(ms)
	return ms and tonumber(ms) / 1000
end

local function options_of(scenario)
	local env = {}
	for _, entry in ipairs(scenario.env) do
		local name, value = entry:match("^(.-)=(.*)$")
		env[name] = value
	end
	return {
		input = scenario.input,
		stdin = scenario.stdin,
		stderr = scenario.stderr_to,
		env = env,
		cwd = scenario.cwd,
		timeout = seconds(scenario.timeout_ms),
		cpu_time = seconds(scenario.cpu_time_ms),
		capture_max = math.tointeger(scenario.capture_max or 65536),
		rlimits = {open_files = math.tointeger(scenario.open_files)},
		user = math.tointeger(scenario.user),
	}
end

local function compare(result, scenario)
	tap.equal(result.reason, scenario.reason or "exited", result.description)
	tap.equal(result.exit_code or -1, math.tointeger(scenario.exit or 0), "exit code")
	if scenario.signal then
		tap.equal(result.signal, math.tointeger(scenario.signal), "signal")
	end
	tap.equal(result.stdout, scenario.stdout or "", "stdout")
	tap.equal(result.stderr or "", scenario.stderr or "", "stderr")
	tap.equal(result.stdout_truncated, scenario.truncated == "yes", "truncated")
end

local machine = virtiso.machine()
local root = virtiso.root{programs = {"/bin/busybox"}, data = {["/etc/scenario"] = "from the root\n"}}

local function check(scenario, strength)
	for _, feature in ipairs {strength, table.unpack(scenario.needs)} do
		if not machine:supports(feature) then
			tap.missing(feature .. ": " .. machine:detail(feature))
		end
	end
	local box <close> = virtiso[strength]{root = root, memory_max = math.tointeger(scenario.memory_max)}
	local ok, result = pcall(box.run, box, scenario.arg, options_of(scenario))
	if scenario.error then
		tap.equal(ok, false, "the command failed to start")
		tap.equal(result.errno, math.tointeger(scenario.error), tostring(result))
		tap.equal(result.stage, scenario.stage, tostring(result))
	elseif ok then
		compare(result, scenario)
	else
		error(result, 0)
	end
end

for _, scenario in ipairs(read_table(arg[1])) do
	for strength in (scenario["in"] or "jail container guest"):gmatch("%S+") do
		tap.case(scenario.name .. ": " .. strength, function() check(scenario, strength) end)
	end
end
tap.finish()
