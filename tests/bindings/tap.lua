-- SPDX-License-Identifier: MIT
-- Runs cases as they come and prints TAP; a skipped case says which facility is missing.

local tap = {}
local count, failed = 0, 0
local Missing = {}

--- Ends the case as skipped: this machine lacks a facility that it needs.
function tap.missing(facility)
	error(setmetatable({facility = facility}, Missing), 0)
end

function tap.equal(actual, expected, what)
	if actual ~= expected then
		error(("%s: %q, expected %q"):format(what, actual, expected), 2)
	end
end

local function with_traceback(value)
	return type(value) == "string" and debug.traceback(value, 2) or value
end

function tap.case(name, run)
	count = count + 1
	local ok, value = xpcall(run, with_traceback)
	if ok then
		print(("ok %d - %s"):format(count, name))
	elseif getmetatable(value) == Missing then
		print("# missing: " .. value.facility)
		print(("ok %d - %s # SKIP"):format(count, name))
	else
		failed = failed + 1
		print("# " .. tostring(value):gsub("\n", "\n# "))
		print(("not ok %d - %s"):format(count, name))
	end
	io.stdout:flush()
end

function tap.finish()
	print("1.." .. count)
	os.exit(failed == 0, true)
end

return tap
