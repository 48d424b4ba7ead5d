-- SPDX-License-Identifier: MIT
-- The Lua module: complete, throws what the library says, closes, keeps strings as they are.

local native = require "virtiso.native"
local tap = require "tap"
local virtiso = require "virtiso"

local busybox = "/bin/busybox"
local machine = virtiso.machine()
local root = virtiso.root{programs = {busybox}, data = {["/etc/scenario"] = "from the root\n", ["/bin/s"] = {"#!/bin/busybox sh\necho ran\n", 493}}}

local function sandbox(options)
	options = options or {}
	options.root = options.root or root
	for _, strength in ipairs {"container", "jail"} do
		if machine:supports(strength) then
			return virtiso[strength](options), strength
		end
	end
	tap.missing(machine:detail("container"))
end

local function shell(script)
	return {busybox, "sh", "-c", script}
end

-- Does what the library has something to say about: a system call that no guest is served.
local function make_messages()
	local _, strength = sandbox()
	virtiso.run({busybox, "true"}, {isolation = strength})
	if machine:supports("guest") then
		virtiso.run({busybox, "pivot_root", "/", "/"}, {isolation = "guest", timeout = 30})
	end
end

local nothing_to_say = "a message of the library, which only a guest gives for certain"

local function fails(call, ...)
	local ok, err = pcall(call, ...)
	tap.equal(ok, false, "the call failed")
	return err
end

local function count_fds()
	collectgarbage()
	collectgarbage()
	local stat <close> = io.open("/proc/self/stat")
	local list <close> = io.popen("ls /proc/" .. stat:read("n") .. "/fd")
	local count = 0
	for _ in list:lines() do
		count = count + 1
	end
	return count
end

tap.case("every exported function is wrapped, references are not", function()
	local wanted = 0
	for line in io.lines(os.getenv("VIRTISO_SOURCE") .. "/lib/libvirtiso.map") do
		local name = line:match("^\t(viso_[%w_]+);$")
		if name and name:match("^viso_%l+_u?n?ref$") then
			tap.equal(native[name], nil, name)
		elseif name then
			wanted = wanted + 1
			tap.equal(type(native[name]), "function", name)
		end
	end
	tap.equal(wanted > 60, true, "functions found")
end)

tap.case("features are all there", function()
	tap.equal(native.viso_feature_name(#virtiso.features), nil, "one more")
	for _, name in ipairs(virtiso.features) do
		tap.equal(type(machine:supports(name)), "boolean", name)
		tap.equal(#machine:detail(name) > 0, true, name)
	end
	tap.equal(type(fails(machine.supports, machine, "magic")), "string", "unknown feature")
end)

tap.case("errors are objects", function()
	local command = native.viso_command_new("true")
	local err = fails(native.viso_command_set_cwd, command, "not/absolute")
	tap.equal(virtiso.is_error(err), true, "is_error")
	tap.equal(virtiso.is_error("text"), false, "is_error of a string")
	tap.equal(err.errno, 22, "errno")
	tap.equal(err.stage, "argument", "stage")
	tap.equal(err.object, "viso_command_set_cwd", "object")
	tap.equal(tostring(err), err.message, "tostring")
	tap.equal(err.message:find("absolute") ~= nil, true, "message")
end)

tap.case("null handles are errors", function()
	for _, call in ipairs {
		function() native.viso_command_add_arg(nil, "x") end,
		function() native.viso_process_wait(nil, 0) end,
		function() native.viso_result_output(nil, native.VISO_STDOUT) end,
		function() native.viso_sandbox_close(nil) end,
		function() native.viso_container_sandbox(nil) end,
		function() native.viso_root_path(nil) end,
		function() native.take_stream(nil, 1) end,
	} do
		tap.equal(fails(call).errno, 22, "errno")
	end
	tap.equal(native.viso_result_exit_code(nil), -1, "exit code")
end)

tap.case("wrong values are refused", function()
	local command = native.viso_command_new("true")
	for i, call in ipairs {
		function() native.viso_command_add_arg(command, {}) end,
		function() native.viso_command_add_arg(command, "a\0b") end,
		function() native.viso_command_add_arg(command, nil) end,
		function() native.viso_command_set_timeout_ms(command, -5) end,
		function() native.viso_command_set_timeout_ms(command, 1.5) end,
		function() native.viso_command_set_groups(command, {-1}) end,
		function() native.viso_command_set_groups(command, {"x"}) end,
		function() native.viso_command_set_user(command, 1 << 40, 0) end,
		function() native.viso_command_set_stdio(command, -1, 0) end,
		function() native.viso_command_add_arg(root, "x") end,
		function() native.take_stream(command, 1) end,
		function() native.stream_fd(command) end,
		function() virtiso.container() end,
		function() virtiso.container{} end,
		function() virtiso.container{root = root, memroy_max = "1M"} end,
		function() virtiso.container{root = root, memory_max = "12Q"} end,
		function() virtiso.container{root = root, network = "internet"} end,
		function() virtiso.guest{root = root, network = "host"} end,
		function() virtiso.root{program = {}} end,
		function() virtiso.run({busybox}, {isolation = "wall"}) end,
		function() virtiso.run({busybox}, {root = root, files = {"/etc/passwd"}}) end,
		function() virtiso.run({busybox}, {bogus = 1}) end,
		function() virtiso.set_log_handler(print, "loud") end,
		function() virtiso.set_log_handler("print") end,
	} do
		tap.equal(pcall(call), false, "call " .. i)
	end
end)

tap.case("a result", function()
	local box <close> = sandbox()
	local result = box:run(shell("echo out; echo err >&2; exit 3"))
	tap.equal(result.ok, false, "ok")
	tap.equal(result.exit_code, 3, "exit code")
	tap.equal(result.signal, nil, "signal")
	tap.equal(result.reason, "exited", "reason")
	tap.equal(tostring(result), "exited with code 3", "words")
	tap.equal(result.stdout, "out\n", "stdout")
	tap.equal(result.stderr, "err\n", "stderr")
	tap.equal(result.usage.memory_peak > 4096, true, "memory")
	tap.equal(math.type(result.usage.wall_us), "integer", "wall")
	result = box:run(shell("kill -SEGV $$"), {capture_output = false})
	tap.equal(result.signal, 11, "signal")
	tap.equal(result.exit_code, nil, "exit code")
	tap.equal(result.stdout, nil, "not captured")
	tap.equal(box:run({"s"}).stdout, "ran\n", "a script of the root")
	tap.equal(box:isolation(), select(2, sandbox()), "isolation")
end)

tap.case("strings are binary-safe", function()
	local box <close> = sandbox()
	local bytes = {}
	for i = 0, 255 do
		bytes[#bytes + 1] = string.char(i)
	end
	local data = table.concat(bytes):rep(1000)
	tap.equal(box:run({busybox, "cat"}, {input = data}).stdout == data, true, "input and output")
	local other = virtiso.root{programs = {busybox}, data = {["/d"] = data}}
	local in_other <close> = sandbox{root = other}
	tap.equal(in_other:run({busybox, "cat", "/d"}).stdout == data, true, "data")
end)

tap.case("big output is cut", function()
	local box <close> = sandbox()
	local result = box:run({busybox, "seq", "1", "500000"}, {capture_max = "64K"})
	tap.equal(#result.stdout, 65536, "size")
	tap.equal(result.stdout_truncated, true, "truncated")
	tap.equal(result.ok, true, "ok")
end)

tap.case("an error in a close block stays and the sandbox is closed", function()
	local seen
	local err = fails(function()
		local box <close> = sandbox()
		seen = box
		error({mine = true})
	end)
	tap.equal(err.mine, true, "the original error")
	tap.equal(fails(seen.run, seen, {busybox, "true"}).errno, 116, "ESTALE")
	seen:close()
end)

tap.case("a process", function()
	local box <close> = sandbox()
	local process <close> = box:spawn({busybox, "cat"}, {stdin = "pipe", stdout = "pipe"})
	local still, message, number = process:wait(0.1)
	tap.equal(still, nil, "still running")
	tap.equal(type(message), "string", "message")
	tap.equal(number, 110, "ETIMEDOUT")
	tap.equal(process:wait(0), nil, "asked only")
	tap.equal(process:pid() > 0, true, "pid")
	tap.equal(process:fd() >= 0, true, "fd")
	tap.equal(io.type(process.stdin), "file", "stdin")
	process.stdin:write("line\0one\n"):flush()
	tap.equal(process.stdout:read("L"), "line\0one\n", "line")
	process.stdin:close()
	tap.equal(process.stdout:read("a"), "", "end")
	tap.equal(process:wait(20).ok, true, "ended")
	tap.equal(process:wait(), process:wait(0), "the same result")
	process:signal(15)
end)

tap.case("signals and kills", function()
	local box <close> = sandbox()
	local first = box:spawn(shell('trap "exit 5" USR1; echo ready; while :; do sleep 0.05; done'), {stdout = "pipe"})
	tap.equal(first.stdout:read(), "ready", "ready")
	first:signal(10)
	tap.equal(first:wait(20).exit_code, 5, "exit code")
	local second = box:spawn{busybox, "sleep", "60"}
	tap.equal(box:kill(), 1, "killed")
	tap.equal(second:wait(20).reason, "killed", "reason")
	local third
	local err = fails(function()
		local process <close> = box:spawn{busybox, "sleep", "60"}
		third = process
		error("mine", 0)
	end)
	tap.equal(err, "mine", "the original error")
	tap.equal(third:wait(0).reason, "killed", "closed")
end)

tap.case("a process keeps its sandbox", function()
	local process = sandbox():spawn(shell("sleep 0.2; exit 3"))
	collectgarbage()
	collectgarbage()
	tap.equal(process:wait(20).exit_code, 3, "exit code")
	process.sandbox:close()
end)

tap.case("streams may be files", function()
	local box <close> = sandbox()
	local file = io.tmpfile()
	box:run(shell("echo out; echo err >&2"), {stdout = file, stderr = "stdout"})
	file:seek("set")
	tap.equal(file:read("a"), "out\nerr\n", "contents")
	file:seek("set")
	tap.equal(box:run({busybox, "cat"}, {stdin = file}).stdout, "out\nerr\n", "stdin")
	file:close()
	fails(box.run, box, {busybox, "cat"}, {stdin = file})
	local process = box:spawn(shell("echo out"), {stdout = "capture"})
	tap.equal(process:wait().stdout, "out\n", "captured")
end)

tap.case("a time-out is a result", function()
	local box <close> = sandbox()
	local result = box:run(shell("echo before; sleep 60"), {timeout = 2})
	tap.equal(result.reason, "timed_out", "reason")
	tap.equal(result.stdout, "before\n", "stdout")
end)

tap.case("a start that fails", function()
	local box <close> = sandbox()
	local err = fails(box.run, box, {"/missing"})
	tap.equal(err.errno, 2, "errno")
	tap.equal(err.stage, "exec", "stage")
	err = fails(virtiso.run, {"no-such-program-anywhere"})
	tap.equal(err.errno, 2, "errno")
end)

tap.case("options", function()
	local box <close> = sandbox()
	local result = box:run(shell('echo "$A|$PATH"; pwd; ulimit -n'),
		{env = {A = "b", PATH = true}, cwd = "/etc", rlimits = {open_files = 32, core = virtiso.UNLIMITED}})
	tap.equal(result.stdout, "b|" .. os.getenv("PATH") .. "\n/etc\n32\n", result.stderr)
	tap.equal(box:run({busybox, "env"}, {clear_env = true, env = {A = "b"}}).stdout, "A=b\n", "clear_env")
end)

tap.case("run makes its own root", function()
	local _, strength = sandbox()
	local result = virtiso.run({"busybox", "cat", "/d"}, {isolation = strength, data = {["/d"] = "x"}, timeout = 30})
	tap.equal(result.stdout, "x", result.stderr)
end)

tap.case("log messages arrive on the calling state, also of a coroutine", function()
	local messages = {}
	virtiso.set_log_handler(function(level, message) table.insert(messages, {level, message}) end, "debug")
	coroutine.wrap(make_messages)()
	virtiso.set_log_handler(nil)
	local count = #messages
	make_messages()
	tap.equal(#messages, count, "messages without a handler")
	if count == 0 then
		tap.missing(nothing_to_say)
	end
	tap.equal(type(messages[1][2]), "string", "message")
	tap.equal(messages[1][1]:match("^%l+$") ~= nil, true, "level")
end)

tap.case("an error in the log handler goes no further", function()
	local calls = 0
	warn("@off")
	virtiso.set_log_handler(function() calls = calls + 1 error({}) end, "debug")
	make_messages()
	virtiso.set_log_handler(nil)
	warn("@on")
	if calls == 0 then
		tap.missing(nothing_to_say)
	end
end)

tap.case("a progress function hears, cancels, throws, and cannot use the root", function()
	local last
	virtiso.root{programs = {busybox}, progress = function(done, total) last = done == total end}:build()
	tap.equal(last, true, "the last call")
	local ok, message = pcall(function()
		virtiso.root{programs = {busybox}, progress = function() return true end}:build()
	end)
	tap.equal(not ok and message.errno, 125, "ECANCELED")
	local _, strength = sandbox()
	local thrown = {}
	ok, message = pcall(virtiso.run, {"busybox", "true"},
		{isolation = strength, root = virtiso.root{programs = {busybox}, progress = function() error(thrown) end}})
	tap.equal(message, thrown, "what was thrown")
	local root
	root = virtiso.root{programs = {busybox}, progress = function()
		tap.equal(root:path(), nil, "path")
		root:build()
	end}
	ok, message = pcall(root.build, root)
	tap.equal(not ok and message.errno, 35, "EDEADLK")
end)

tap.case("roots tell what is in them", function()
	local path = os.tmpname()
	os.remove(path)
	local root = virtiso.root{programs = {busybox}, path = path, users = {{"me", 5000, 5000}}, groups = {us = 5000}}
	tap.equal(#root:plan() > 3, true, "plan")
	tap.equal(root:update() > 0, true, "update")
	tap.equal(#root:verify(), 0, "verify")
	io.open(path .. "/etc/group", "a"):write("x"):close()
	local found = root:verify()
	tap.equal(#found == 1 and found[1].path .. " " .. found[1].state, "/etc/group changed", "verify")
	tap.equal(virtiso.root{directory = path}:remove(), 0, "remove")
end)

tap.case("nothing is left", function()
	local box <close> = sandbox()
	box:run({busybox, "true"})
	local before = count_fds()
	for _ = 1, 30 do
		box:run({busybox, "true"}, {input = "x"})
		fails(box.spawn, box, {"/missing"}, {stdin = "pipe", stdout = "pipe", stderr = "pipe"})
		local process <close> = box:spawn({busybox, "cat"}, {stdin = "pipe", stdout = "pipe"})
	end
	-- The library's own thread may be a moment behind.
	for _ = 1, 50 do
		if count_fds() <= before then
			return
		end
		os.execute("sleep 0.1")
	end
	error("fds are left")
end)

tap.finish()
