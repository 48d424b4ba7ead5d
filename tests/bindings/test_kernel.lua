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

tap.case("mistakes", function()
	for option, mistake in pairs{
		flat_image = {"/image", "it is {path = …, address = …}"},
		vsock = {3, "it is {cid = …, path = …}"},
		processors = {"two", 'an integer that is not negative is expected, not "two"'},
		kernel = {{}, "a path is expected, not table"},
		disks = {"/disk", 'a list of paths or tables is expected, not "/disk"'},
		interfaces = {{"tap0"}, 'an open tap device or socket, or its fd, is expected, not "tap0"'},
		ports = {{a = "b"}, 'an open socket, or its fd, is expected, not "b"'},
		platform = {"mac", 'no platform "mac"; there are microvm, pc'},
	} do
		local options = {firmware = "/bin/sh"}
		options[option] = mistake[1]
		local ok, err = pcall(virtiso.guest, options)
		tap.equal(ok, false)
		tap.equal(tostring(err), ("option %s: %s"):format(option, mistake[2]))
	end
	virtiso.guest{platform = "PC"}:close() -- as in Python
end)

tap.case("disks", function()
	local disk = os.tmpname()
	local file = assert(io.open(disk, "wb"))
	file:write(("\0"):rep(512)):close()
	local box <close>, path = guest(POWER_OFF .. FOR_EVER, {disks = {disk, {path = disk, read_only = true, bytes_rate = "1M", operations_rate = {per_second = 100, burst = 10}}}, console = "virtio", shares = {etc = "/etc", tmp = {path = "/tmp", writable = true}}})
	local ok, err = pcall(box.boot, box, {timeout = 30}) -- a disk that is written to is no other's
	tap.equal(ok, false)
	tap.equal(err.errno, 16)
	local other <close>, other_path = guest(FOR_EVER, {disks = {{path = disk, cdrom = true}}})
	ok, err = pcall(other.boot, other, {timeout = 30}) -- which only a PC has
	tap.equal(ok, false)
	tap.equal(err.errno, 95)
	os.remove(other_path)
	os.remove(disk)
	os.remove(path)
	for _, use in ipairs{"screen", "press_power_button", "press_reset_button", "shut_down", "set_clock"} do
		tap.equal(pcall(box[use], box), false)
	end
	tap.equal(pcall(box.statistic, box, "uptime_ms"), false)
	tap.equal(pcall(box.memory_figure, box, "free"), false)
	tap.equal(pcall(box.traffic, box, "disk", "bytes_to_guest"), false)
	tap.equal(pcall(box.set_balloon, box, "1M"), false)
end)

tap.case("clone", function()
	local socket = os.tmpname()
	os.remove(socket)
	local box <close>, path = guest(put "?" .. FOR_EVER, {memory_max = "16M", vsock = {cid = 3, path = socket}})
	local process = box:boot{capture_output = true, timeout = 30}
	local snapshot = box:snapshot()
	process:kill()
	process:wait()
	os.remove(path)
	tap.equal(snapshot:size() > 0, true)
	local clone <close> = snapshot:clone()
	clone:bind{vsock = {cid = 4, path = socket}}
	tap.equal(pcall(clone.bind, clone, {ports = {a = 0}}), false) -- the other one has none
	local other <close> = clone:boot{capture_output = true, timeout = 30}
	other:kill()
	other:wait()
	clone:reset()
end)

local function bell(hypercalls)
	local path = os.getenv "VIRTISO_BUILD" .. "/examples/guest/bell"
	local kvm, file = io.open("/dev/kvm", "r+"), io.open(path)
	if not kvm or not file then
		tap.missing(kvm and "the examples in C, which were not built" or "a usable /dev/kvm")
	end
	kvm:close()
	file:close()
	return virtiso.guest{kernel = path, hypercalls = hypercalls}
end

tap.case("both call", function()
	local prices = {}
	local box <close> = bell{[1] = function(call)
		table.insert(prices, call:read(call:argument(0), call:argument(1)))
		return #prices == 1 and 5 or -2
	end}
	local process <close> = box:boot{capture_output = true, timeout = 60}
	tap.equal(box:serve(60), true)
	tap.equal(box:serve(60), true)
	tap.equal(box:serve(0), nil)
	tap.equal(table.concat(prices, " "), "apples gold")
	tap.equal(box:call("add", -1, 3), 2)
	tap.equal(box:call_bytes("upper", "loud", {timeout = 60}), "LOUD")
	tap.equal(pcall(box.call, box, "other"), false)
	tap.equal(box:request("off", {timeout = 60}), "bye")
	tap.equal(process:wait().stdout, "apples: 5\ngold: errno 2\n")
end)

tap.case("a clone calls", function()
	local box <close> = bell{[1] = function()
		return 9
	end}
	local process <close> = box:boot{capture_output = true, timeout = 60}
	local call = box:next_hypercall(60)
	local clone <close> = box:snapshot():clone()
	local clone_process <close> = clone:boot{capture_output = true, timeout = 60}
	call:answer(7)
	for _, guest in ipairs{box, clone, clone} do
		tap.equal(guest:serve(60), true)
	end
	for guest, computer in pairs{[box] = process, [clone] = clone_process} do
		guest:request("off", {timeout = 60})
		tap.equal(computer:wait().stdout, guest == box and "apples: 7\ngold: 9\n" or "apples: 9\ngold: 9\n")
	end
end)

tap.case("a handler throws", function()
	local box <close> = bell{[1] = function()
		error("no price", 0)
	end}
	local process <close> = box:boot{capture_output = true, timeout = 60}
	for _ = 1, 2 do
		local ok, err = pcall(box.serve, box, 60)
		tap.equal(ok, false)
		tap.equal(err, "no price")
	end
	box:request("off", {timeout = 60})
	tap.equal(process:wait().stdout, "apples: errno 5\ngold: errno 5\n")
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
