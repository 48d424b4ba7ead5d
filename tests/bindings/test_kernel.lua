-- SPDX-License-Identifier: MIT
-- What only guests have that boot a system of their own.

local tap = require "tap"
local virtiso = require "virtiso"

local CODE = 0x8000
local POWER_OFF = "\xba\x00\x06\xb0\x34\xee"
local FOR_EVER = "\xeb\xfe"

-- Instructions in real mode that write to the first serial port.
local function put(text)
	return (text:gsub(".", "\xba\xf8\x03\xb0%0\xee"))
end

local function guest(code, options)
	local kvm = io.open("/dev/kvm", "r+")
	if not kvm then
		tap.missing "a usable /dev/kvm"
	end
	kvm:close()
	local path = os.tmpname()
	local file <close> = assert(io.open(path, "wb"))
	file:write(code)
	options = options or {}
	options.flat_image = {path = path, address = CODE}
	return virtiso.guest(options), path
end

tap.case("switched off", function()
	local box <close>, path = guest(put "hi\n" .. POWER_OFF .. FOR_EVER, {memory_max = "16M", processors = 1, platform = "microvm",
		agent = "qemu", root_medium = "disk"})
	local result = box:boot{capture_output = true, timeout = 30}:wait()
	os.remove(path)
	tap.equal(result.exit_code, 0)
	tap.equal(result.stdout, "hi\n")
end)

tap.case("disks", function()
	local disk = os.tmpname()
	local file = assert(io.open(disk, "wb"))
	file:write(("\0"):rep(512)):close()
	local box <close>, path = guest(POWER_OFF .. FOR_EVER, {disks = {disk, {path = disk, read_only = true}}, shares = {etc = "/etc"}})
	local ok, err = pcall(box.boot, box, {timeout = 30}) -- a disk that is written to is no other's
	tap.equal(ok, false)
	tap.equal(err.errno, 16)
	os.remove(disk)
	os.remove(path)
	for _, use in ipairs{"screen", "press_power_button", "shut_down", "set_clock"} do
		tap.equal(pcall(box[use], box), false)
	end
	tap.equal(pcall(box.statistic, box, "uptime_ms"), false)
	tap.equal(pcall(box.memory_figure, box, "free"), false)
	tap.equal(pcall(box.set_balloon, box, "1M"), false)
end)

tap.case("killed", function()
	local box <close>, path = guest(FOR_EVER)
	local process <close> = box:boot{timeout = 30}
	os.remove(path)
	process:kill()
	tap.equal(process:wait().reason, "killed")
end)

tap.case("mistakes", function()
	local ok, err = pcall(virtiso.guest, {kernel = "/nowhere"})
	tap.equal(ok, false)
	tap.equal(tostring(err):find("/nowhere", 1, true) ~= nil, true)
	tap.equal(pcall(virtiso.guest, {kernel = "/etc/passwd", platform = "mainframe"}), false)
	tap.equal(pcall(virtiso.guest, {memory_max = "16M"}), false)
end)

tap.finish()
