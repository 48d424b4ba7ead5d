-- SPDX-License-Identifier: MIT
-- What only guests have: options, calls, requests, hypercalls, snapshots.

local tap = require "tap"
local virtiso = require "virtiso"

local busybox = "/bin/busybox"
local machine = virtiso.machine()
local build = os.getenv "VIRTISO_BUILD"
local plugin, asks = build .. "/examples/guest/plugin", build .. "/examples/guest/asks"
local plain = virtiso.root{programs = {busybox}}

local function need_kvm()
	if not machine:supports "guest" then
		tap.missing(machine:detail "guest")
	end
end

local function guest(options)
	need_kvm()
	options = options or {}
	options.root = options.root or plain
	return virtiso.guest(options)
end

local function shell(script)
	return {busybox, "sh", "-c", script}
end

local function fails(call, ...)
	local ok, err = pcall(call, ...)
	tap.equal(ok, false, "the call failed")
	return err
end

local function says(err, text)
	tap.equal(tostring(err):find(text, 1, true) ~= nil, true, ("%q says %q"):format(tostring(err), text))
end

local function loaded()
	local box = guest{root = virtiso.root{files = {{plugin, "/plugin"}}}, memory_max = "64M"}
	assert(box:initialise({"/plugin"}, {timeout = 20}))
	return box
end

tap.case("files and limits", function()
	local box <close> = guest{contents = {["/etc/motd"] = "hello\n"}, writable = "discard", binds = {["/data"] = {source = "/etc", read_only = true}}}
	local result = box:run(shell "cat /etc/motd; echo x > /mem; cat /mem; test -e /data/passwd && echo bound", {timeout = 20})
	tap.equal(result.stdout, "hello\nx\nbound\n")
	tap.equal(box:syscalls().write ~= nil, true)
	local few <close> = guest{syscalls_max = 5}
	tap.equal(few:run(shell "echo x", {timeout = 20}).reason, "syscalls_max")
end)

tap.case("calls", function()
	local box <close> = loaded()
	box:set_call_timeout(10)
	tap.equal(box:call("add", 40, 2), 42)
	tap.equal(box:call("add", -1, 0), -1)
	tap.equal(box:call_bytes("shout", "hello", {timeout = 10}), "HELLO")
	tap.equal(fails(box.call, box, "no_such_function").errno, 2)
	says(fails(box.call, box, "add", 1, 2.5), "bad argument #3 to 'call'")
	says(fails(box.call, box), "bad argument #1 to 'call'")
	says(fails(box.call_bytes, box, "shout", {}), "bad argument #2 to 'call_bytes'")
	says(fails(box.request, box), "bad argument #1 to 'request'")
end)

tap.case("calls of a contained guest", function()
	local box <close> = guest{root = virtiso.root{files = {{plugin, "/plugin"}}}, placement = "contained"}
	assert(box:initialise({"/plugin"}, {timeout = 20}))
	box:set_call_timeout(10)
	tap.equal(box:call("add", 40, 2), 42)
	tap.equal(box:call_bytes("shout", "hello", {timeout = 10}), "HELLO")
end)

tap.case("clones of a contained guest", function()
	local box <close> = guest{root = virtiso.root{files = {{plugin, "/plugin"}}}, placement = "contained"}
	assert(box:initialise({"/plugin"}, {timeout = 20}))
	box:set_call_timeout(10)
	tap.equal(box:call "count_calls", 1)
	local snapshot = box:snapshot()
	tap.equal(snapshot:size() > 4096, true)
	local clone <close> = snapshot:clone()
	clone:set_call_timeout(10)
	for round = 1, 2 do
		tap.equal(clone:call "count_calls", 2)
		clone:reset()
	end
	tap.equal(box:call "count_calls", 2)
	tap.equal(fails(snapshot.save, snapshot, "/nowhere").errno, 95)
end)

tap.case("a program that ends before it is ready", function()
	local box <close> = guest()
	local ready, result = box:initialise(shell "exit 3", {timeout = 20})
	tap.equal(ready, nil)
	tap.equal(result.exit_code, 3)
end)

tap.case("requests", function()
	local box <close> = guest()
	assert(box:initialise(shell 'exec 3<>/dev/virtiso; while read -r line <&3; do echo "$line" | tr a-z A-Z >&3; done', {timeout = 20}))
	tap.equal(box:request("hello\n", {timeout = 10}), "HELLO\n")
end)

tap.case("hypercalls", function()
	local box <close> = guest{root = virtiso.root{files = {{asks, "/asks"}}}, hypercalls = {[1] = function(call)
		local thing = call:read(call:argument(0), call:argument(1))
		return thing == "gold" and -2 or #thing
	end}}
	tap.equal(box:run({"/asks"}, {timeout = 20}).stdout, "apples: 6\npears: 5\ngold: errno 2\n")
end)

tap.case("handlers that throw", function()
	local thrown = {}
	local function throw()
		error(thrown, 0)
	end
	local box <close> = guest{root = virtiso.root{files = {{asks, "/asks"}}}, hypercalls = {[1] = throw}}
	for _ = 1, 2 do
		tap.equal(fails(box.initialise, box, {"/asks"}, {timeout = 20, capture_output = true}), thrown)
	end
	tap.equal(fails(box.run, box, {"/asks"}, {timeout = 20}), thrown)
	for _, odd in ipairs {{}, "text", 1.5} do
		local strange <close> = guest{root = virtiso.root{files = {{asks, "/asks"}}}, hypercalls = {[1] = function()
			return odd
		end}}
		says(fails(strange.run, strange, {"/asks"}, {timeout = 20}), "must return an integer, not " .. type(odd))
	end
	local lonely <close> = guest{connect = throw}
	local dial = shell "/bin/busybox nc 192.0.2.1 80 </dev/null"
	tap.equal(fails(lonely.run, lonely, dial, {timeout = 20}), thrown)
	local forgot <close> = guest{connect = function() end}
	says(fails(forgot.run, forgot, dial, {timeout = 20}), "connect must return an integer, not nil")
	local frozen <close> = guest{root = virtiso.root{programs = {busybox}}, connect = throw}
	assert(frozen:initialise(shell "read -r line </dev/virtiso; exec /bin/busybox nc 192.0.2.1 80 </dev/null", {timeout = 20}))
	local clone <close> = frozen:snapshot():clone()
	tap.equal(fails(clone.request, clone, "\n", {timeout = 20}), thrown)
end)

tap.case("handlers that are none", function()
	need_kvm()
	says(fails(guest, {hypercalls = {[1] = "text"}}), "must be a function, not string")
	says(fails(guest, {hypercalls = {add = print}}), 'a hypercall has a number, not "add"')
	says(fails(guest, {connect = 3}), "connect must be a function, not number")
	local function misspelt()
		local box = virtiso.guest{root = plain, memory = "64M"}
		return box
	end
	local line = debug.getinfo(misspelt, "S").linedefined + 1
	says(fails(misspelt), ('test_guest.lua:%d: no option "memory"; there are memory_max'):format(line))
	says(fails(function() local box = virtiso.guest{}; return box end), "test_guest.lua:")
end)

tap.case("one command in a guest of its own", function()
	need_kvm()
	local result = virtiso.run(shell "cat /x", {isolation = "guest", contents = {["/x"] = "y"}, syscalls_max = 100000, root = plain, timeout = 20})
	tap.equal(result.stdout, "y")
end)

tap.case("a handler that uses its own guest", function()
	local box
	local seen = {}
	box = guest{root = virtiso.root{files = {{asks, "/asks"}}}, hypercalls = {[1] = function()
		seen = {fails(box.call, box, "x").errno, fails(box.request, box, "x").errno, fails(box.reset, box).errno, fails(box.snapshot, box).errno,
			fails(box.initialise, box, {"/asks"}).errno}
		box:cancel()
		return 1
	end}}
	local ready, result = box:initialise({"/asks"}, {timeout = 20})
	tap.equal(ready, nil)
	tap.equal(result.reason, "killed")
	tap.equal(table.concat(seen, " "), "16 16 16 16 16")
	box:close()
	tap.equal(fails(box.call, box, "x").errno, 116)
end)

tap.case("queued hypercalls", function()
	local box <close> = guest{root = virtiso.root{files = {{asks, "/asks"}}}, hypercalls = {[1] = false}}
	local process = box:spawn({"/asks"}, {capture_output = true, timeout = 20})
	box:next_hypercall(10):answer(1)
	box:next_hypercall(10):refuse(13)
	box:next_hypercall(10):answer(3)
	tap.equal(process:wait().stdout, "apples: 1\npears: errno 13\ngold: 3\n")
	tap.equal(box:next_hypercall(0), nil)
end)

tap.case("snapshots", function()
	local box <close> = loaded()
	local snapshot = box:snapshot()
	for _ = 1, 3 do
		tap.equal(box:call "count_calls", 1)
		box:reset()
	end
	local clone <close> = snapshot:clone()
	tap.equal(clone:call "count_calls", 1)
	tap.equal(clone:call "count_calls", 2)
	tap.equal(snapshot:size() > 4096, true)
	local path = os.tmpname()
	snapshot:save(path)
	local settings <close> = guest{root = virtiso.root{files = {{plugin, "/plugin"}}}, memory_max = "64M"}
	local loaded <close> = settings:load_snapshot(path):clone()
	tap.equal(loaded:call "count_calls", 1)
	os.remove(path)
	tap.equal(fails(settings.load_snapshot, settings, "/dev/null").errno, 22)
end)

tap.case("machines that are kept ready", function()
	if machine:supports "guest" then
		virtiso.prepare_guests(2)
		virtiso.prepare_guests(0)
	end
end)

tap.finish()
