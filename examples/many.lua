#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- A thousand identical containers at once, with a live table of what they use: many.lua [COUNT [SECONDS]]
--
-- Each takes a file or two of this process: `ulimit -n` must allow them.

local virtiso = require "virtiso"

local program = "/bin/busybox"
-- Some memory, some work, and then a long sleep.
local script = "head -c 100000 /dev/zero > /tmp/data; i=0; while [ $i -lt 500 ]; do i=$((i+1)); done; exec sleep 600"

local count, seconds = math.tointeger(tonumber(arg[1] or 1000)), tonumber(arg[2] or 3)

local function print_line(processes, began)
	-- From a sample: to ask thousands takes longer than to start them.
	local memory, cpu, step = 0, 0, #processes // 64 + 1
	for i = 1, #processes, step do
		local usage = processes[i]:usage()
		memory = memory + (usage.memory or 0) / 1024 * step
		cpu = cpu + ((usage.user_us or 0) + (usage.system_us or 0)) / 1e6 * step
	end
	print(("%8.1f %8d %10.0f %12.1f %9.1f"):format(os.time() - began, #processes, memory / 1024,
		#processes > 0 and memory / #processes or 0, cpu))
end

-- Starts them, as fast as it goes.
local function start_all(box)
	local processes, began = {}, os.time()
	local line = began
	print(("%8s %8s %10s %12s %9s"):format("seconds", "running", "memory MiB", "KiB for each", "CPU s"))
	while #processes < count do
		table.insert(processes, box:spawn({program, "sh", "-c", script}, {stdin = "null"}))
		if os.time() > line then
			print_line(processes, began)
			line = os.time()
		end
	end
	print_line(processes, began)
	print(("%d started"):format(count))
	return processes
end

-- Looks at them for a while, and says which have ended by themselves. A program with an event loop polls box:fd().
local function watch(box, processes)
	local began = os.time()
	while os.time() - began < seconds do
		processes[1]:wait(1)
		local event, process = box:next_event()
		if event == "ended" then
			print(("process %d has ended"):format(process and process:pid() or 0))
		end
		print_line(processes, began)
	end
end

local function main()
	-- Memory is counted by a control group, which a limit brings; an ordinary user may have none.
	local counted = virtiso.machine():supports("memory_limit")
	-- One container for all: each command gets an instance of its own.
	local box <close> = virtiso.container{root = virtiso.root{programs = {program}}, memory_max = counted and "16M" or nil}
	box:fd() -- from now on it tells
	watch(box, start_all(box))
	box:close()
	print("all removed")
end

local ok, message = pcall(main)
if not ok then
	io.stderr:write("many.lua: ", tostring(message), "\n")
	os.exit(1, true)
end
