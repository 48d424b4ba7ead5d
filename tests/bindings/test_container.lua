-- SPDX-License-Identifier: MIT
-- What only containers have, and what came with it: options, events, terminals, notifications, instances.

local tap = require "tap"
local virtiso = require "virtiso"

local busybox = "/bin/busybox"
local machine = virtiso.machine()
local root = virtiso.root{programs = {busybox}}

local function container(options)
	if not machine:supports "container" then
		tap.missing(machine:detail "container")
	end
	options = options or {}
	options.root = root
	return virtiso.container(options)
end

local function shell(script)
	return {busybox, "sh", "-c", script}
end

local function output(box, script)
	local result = box:run(shell(script))
	tap.equal(result.stderr, "", "stderr")
	return result.stdout
end

local function fails(call, ...)
	local ok, err = pcall(call, ...)
	tap.equal(ok, false, "the call failed")
	return err
end

tap.case("files and names", function()
	local box <close> = container{
		binds = {["/data"] = {source = "/etc", read_only = true}},
		tmpfs = {["/mem"] = "1M"},
		contents = {["/etc/motd"] = "hello\n"},
		writable = {discard = "4M"},
		hostname = "box",
		sysctls = {["net.ipv4.ip_unprivileged_port_start"] = 7},
	}
	tap.equal(output(box, [[cat /etc/motd; hostname; echo x > /mem/x; ls /mem; test -e /data/passwd && echo bound
		cat /proc/sys/net/ipv4/ip_unprivileged_port_start]]), "hello\nbox\nx\nbound\n7\n", "what it sees")
end)

tap.case("wrong options are refused", function()
	for _, options in ipairs {
		{bogus = 1}, {network = "everything"}, {seccomp = "somehow"}, {binds = {["/x"] = {sauce = "/etc"}}},
		{rules = {{syscall = "sync", action = "explode"}}}, {writable = "somehow"}, {share = {"nothing"}},
	} do
		fails(container, options)
	end
	tap.equal(fails(container, {sysctls = {["kernel.core_pattern"] = "|/x"}}).errno, 1, "a sysctl of the host")
end)

tap.case("system calls are answered", function()
	if not machine:supports "seccomp" then
		tap.missing(machine:detail "seccomp")
	end
	local box <close> = container{rules = {{syscall = "sethostname", action = "notify"}}}
	local process <close> = box:spawn(shell "hostname asked", {stderr = "pipe"})
	tap.equal(process:notification_fd() >= 0, true, "fd")
	local call = process:next_notification(20)
	tap.equal(call:name(), "sethostname", "name")
	tap.equal(call:read(call:argument(0), 5), "asked", "argument")
	tap.equal(call:pid() > 0, true, "pid")
	call:refuse(18)
	fails(call.answer, call)
	tap.equal(process:wait().exit_code, 1, "exit code")
	tap.equal(process.stderr:read("a"):find("cross%-device") ~= nil, true, "the errno")
end)

tap.case("a terminal", function()
	local box <close> = container()
	local process <close> = box:spawn(shell "stty size; read x; echo got $x", {terminal = {91, 37}})
	process.stdin:write("typed\n")
	local shown = ""
	repeat
		local line = process.stdout:read("L")
		shown = shown .. (line or "")
	until not line
	tap.equal(shown:find("37 91", 1, true) ~= nil, true, "size")
	tap.equal(shown:find("got typed", 1, true) ~= nil, true, "typed")
	process:resize_terminal(80, 25)
end)

tap.case("events, usage and timings", function()
	local box <close> = container()
	tap.equal(box:fd() >= 0, true, "fd")
	tap.equal(box:next_event(), nil, "no event")
	local process = box:spawn({busybox, "cat"}, {stdin = "pipe"})
	tap.equal(box:pause(), 1, "paused")
	tap.equal(box:resume(), 1, "resumed")
	tap.equal(type(process:usage()), "table", "usage")
	tap.equal(type(box:usage()), "table", "usage of all")
	tap.equal(process:timings().sent, 0, "the first step")
	process.stdin:close()
	local event, about
	repeat
		event, about = box:next_event()
	until event == "ended"
	tap.equal(about == process, true, "whose end it is")
	process:wait()
	tap.equal(process:timings().ended > 0, true, "the last step")
end)

tap.case("an instance", function()
	local box <close> = container()
	box:start()
	output(box, "echo stays > /tmp/file")
	tap.equal(output(box, "cat /tmp/file"), "stays\n", "what stayed")
	local destination = os.tmpname()
	os.remove(destination)
	tap.equal(box:copy_out("/tmp/file", destination), 0, "left out")
	local file <close> = io.open(destination)
	tap.equal(file:read("a"), "stays\n", "copied out")
	box:copy_in(destination, "/tmp/in")
	os.remove(destination)
	tap.equal(output(box, "cat /tmp/in"), "stays\n", "copied in")
end)

tap.finish()
