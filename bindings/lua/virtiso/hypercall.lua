-- SPDX-License-Identifier: MIT
-- What programs of a guest ask the host program for.

local native = require "virtiso.native"

local Hypercall = {__name = "virtiso.hypercall"}
Hypercall.__index = Hypercall

--- Its number, 0 to 1023.
function Hypercall:number()
	return native.viso_hypercall_number(self.handle)
end

--- An argument, 0 to 5, its bits as a signed integer.
function Hypercall:argument(index)
	return native.viso_hypercall_argument(self.handle, index)
end

--- Bytes out of the memory of the program.
function Hypercall:read(address, size)
	return native.viso_hypercall_read(self.handle, address, size)
end

--- Puts bytes into the memory of the program.
function Hypercall:write(address, bytes)
	native.viso_hypercall_write(self.handle, address, bytes)
end

--- For a handler: what it returns does not count; answer() or refuse() comes later.
function Hypercall:defer()
	native.viso_hypercall_defer(self.handle)
end

--- Answers one that was queued or deferred. -4095 to -1 are errnos: for these there is refuse().
function Hypercall:answer(value)
	native.viso_hypercall_answer(self.handle, value or 0)
end

--- Answers it with an errno.
function Hypercall:refuse(errno)
	native.viso_hypercall_refuse(self.handle, errno)
end

return {
	make = function(handle)
		return setmetatable({handle = handle}, Hypercall)
	end,
}
