-- SPDX-License-Identifier: MIT
-- A command that runs.

local native = require "virtiso.native"
local support = require "virtiso.support"

local Notification = require "virtiso.notification"
local results = require "virtiso.result"
local milliseconds = support.milliseconds

local Process = {__name = "virtiso.process"}
Process.__index = Process

local function take_stream(handle, stream, setting)
	return setting == "pipe" and native.take_stream(handle, stream) or nil
end

-- The process of a raw one. A terminal's two directions are its standard input and output.
local function make(handle, sandbox, captured, options)
	local process = setmetatable({handle = handle, sandbox = sandbox, captured = captured}, Process)
	if options.terminal then
		process.stdin, process.stdout = native.take_terminal(handle)
	else
		process.stdin = take_stream(handle, native.VISO_STDIN, options.stdin)
		process.stdout = take_stream(handle, native.VISO_STDOUT, options.stdout)
		process.stderr = take_stream(handle, native.VISO_STDERR, options.stderr)
	end
	return process
end

--- The process id on the host; 0 for a guest.
function Process:pid()
	return native.viso_process_pid(self.handle)
end

--- A fd that becomes readable when the command has ended, for an event loop. Never read from it.
function Process:fd()
	return native.viso_process_fd(self.handle)
end

--- Waits for the end and returns the result. With a time-out in seconds (0 only asks) it returns nil, a message and the errno
-- where the command still runs.
function Process:wait(timeout)
	if not self.result then
		local ms = -1
		if timeout then
			ms = timeout == 0 and 0 or math.min(milliseconds(timeout, "timeout"), 0x7fffffff)
		end
		local handle, message, number = native.viso_process_wait(self.handle, ms)
		if not handle then
			return nil, message, number
		end
		self.result = results.make(handle, self.captured)
	end
	return self.result
end

--- Sends a signal, by number, to the program. Nothing happens where its end is known already.
function Process:signal(number)
	if not self.result then
		native.viso_process_signal(self.handle, number)
	end
end

--- Kills the command and all that it started.
function Process:kill()
	native.viso_process_kill(self.handle)
end

--- What the command uses at this moment, a table as in a result; after its end what it has used.
function Process:usage()
	return results.usage(native.viso_process_usage, self.handle)
end

--- When the steps of the start were done, in seconds since the first, by name; those that were made and are known by now.
function Process:timings()
	local steps = {}
	for i, ns in ipairs(native.viso_process_timings(self.handle)) do
		if ns >= 0 then
			steps[native.viso_step_name(i - 1)] = ns / 1e9
		end
	end
	return steps
end

--- The addresses of the container's network interface, a list such as {"10.88.0.2/16"}.
function Process:addresses()
	local list = {}
	for address in native.viso_process_addresses(self.handle):gmatch("[^\n]+") do
		list[#list + 1] = address
	end
	return list
end

--- Tells the program that its terminal has another size now.
function Process:resize_terminal(columns, rows)
	native.viso_process_resize_terminal(self.handle, columns, rows)
end

--- A fd that becomes readable when a system call waits for an answer. Never read from it.
function Process:notification_fd()
	return native.viso_process_notification_fd(self.handle)
end

--- The next system call that waits for an answer. It returns nil, a message and the errno where none came within a time-out in
-- seconds (0 only asks), and where the command has ended.
function Process:next_notification(timeout)
	local ms = -1
	if timeout then
		ms = timeout == 0 and 0 or math.min(milliseconds(timeout, "timeout"), 0x7fffffff)
	end
	local handle, message, number = native.viso_process_next_notification(self.handle, ms)
	if not handle then
		return nil, message, number
	end
	return setmetatable({handle = handle}, Notification)
end

--- Kills the command where it still runs, waits for its end, and closes the streams.
function Process:close()
	if not self.result then
		self:kill()
	end
	for _, name in ipairs {"stdin", "stdout", "stderr"} do
		local stream = self[name]
		if io.type(stream) == "file" then
			stream:close()
		end
	end
	self:wait()
end

-- The second argument is whatever was thrown in the block; it goes on its way when this returns.
function Process:__close(_)
	self:close()
end

return {make = make}
