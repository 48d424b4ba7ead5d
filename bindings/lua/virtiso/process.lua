-- SPDX-License-Identifier: MIT
-- A command that runs.

local native = require "virtiso.native"
local support = require "virtiso.support"

local results = require "virtiso.result"
local milliseconds = support.milliseconds

local Process = {__name = "virtiso.process"}
Process.__index = Process

local function take_stream(handle, stream, setting)
	return setting == "pipe" and native.take_stream(handle, stream) or nil
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


return {Process = Process, take_stream = take_stream}
