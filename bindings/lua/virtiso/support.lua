-- SPDX-License-Identifier: MIT
-- What the parts of the package have in common: errors, enumerations, options, sizes and times.

local native = require "virtiso.native"

local support = {}

local Error = native.error_metatable()

function Error:__tostring()
	return self.message
end

--- Whether something that was thrown is a failure of the library.
function support.is_error(value)
	return getmetatable(value) == Error
end

-- Values of an enumeration by their names in lower case, as in the C API without the prefix.
function support.names(prefix, list)
	local values = {}
	for name in list:gmatch("%S+") do
		values[name] = native[prefix .. name:upper()]
	end
	return values
end

function support.name_of(values, wanted)
	for name, value in pairs(values) do
		if value == wanted then
			return name
		end
	end
	return tostring(wanted)
end

-- Without `level` the error says no position.
function support.value_of(values, name, what, level)
	local value = values[type(name) == "string" and name:lower()]
	if not value then
		local known = {}
		for of in pairs(values) do
			known[#known + 1] = of
		end
		table.sort(known)
		error(("no %s %q; there are %s"):format(what, tostring(name), table.concat(known, ", ")), level and level + 1 or 0)
	end
	return value
end

-- What may be meant by an option that is not there: memory is memory_max.
local function hint(name, known)
	local near = {}
	for of in pairs(known) do
		if of:find(name, 1, true) or name:find(of, 1, true) then
			near[#near + 1] = of
		end
	end
	table.sort(near)
	return #near > 0 and "; there are " .. table.concat(near, ", ") or ""
end

-- A misspelt option must not be silence: it may be the one that was to confine the program.
function support.check_options(options, known, level)
	if type(options) ~= "table" then
		error("a table of options is expected, not " .. type(options), level + 1)
	end
	for name in pairs(options) do
		if not known[name] then
			error(("no option %q%s"):format(tostring(name), hint(tostring(name), known)), level + 1)
		end
	end
end

-- `value` where it is of such a type, for an error that says what is expected; as for a function's arguments, numbers are text, too.
function support.expect(wanted, value, what)
	if type(value) ~= wanted and not (wanted == "string" and type(value) == "number") then
		error(("%s is expected, not %s"):format(what, type(value) == "string" and ("%q"):format(value) or type(value)), 0)
	end
	return value
end

-- An integer that is not negative, also as text.
function support.count(value)
	local number = math.tointeger(tonumber(value))
	if not number or number < 0 then
		error(("an integer that is not negative is expected, not %s"):format(type(value) == "string" and ("%q"):format(value) or tostring(value)), 0)
	end
	return number
end

function support.set(list)
	local result = {}
	for name in list:gmatch("%S+") do
		result[name] = true
	end
	return result
end

local powers = {[""] = 0, K = 10, M = 20, G = 30, T = 40}

-- Bytes of 65536, "64K", "256M", "1.5G".
function support.size(value)
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
function support.milliseconds(seconds, what)
	if type(seconds) ~= "number" or not (seconds >= 0) then
		error(what .. " must be a number of seconds that is not negative", 0)
	end
	return math.max(1, math.ceil(seconds * 1000))
end

return support
