-- SPDX-License-Identifier: MIT
-- System calls of a container that the host program answers: a rule with the action "notify" asked for them.

local native = require "virtiso.native"

local Notification = {__name = "virtiso.notification"}
Notification.__index = Notification

--- The name of the system call.
function Notification:name()
	return native.viso_notification_name(self.handle)
end

--- Its number on this processor.
function Notification:number()
	return native.viso_notification_number(self.handle)
end

--- The process that made it, by its id on the host.
function Notification:pid()
	return native.viso_notification_pid(self.handle)
end

--- An argument of the call, 0 to 5: its 64 bits as an integer.
function Notification:argument(index)
	return native.viso_notification_argument(self.handle, index)
end

--- Bytes out of the memory of the process. Another thread of it may change them afterwards.
function Notification:read(address, size)
	return native.viso_notification_read(self.handle, address, size)
end

--- A string out of the memory of the process, up to its zero byte.
function Notification:read_string(address, size)
	return (self:read(address, size or 4096):match("^[^\0]*"))
end

--- The call is not made and returns this value, 0 where none is given.
function Notification:answer(value)
	native.viso_notification_answer(self.handle, value or 0)
end

--- The call is not made and fails with this errno.
function Notification:refuse(errno)
	native.viso_notification_refuse(self.handle, errno)
end

--- The call is made as if there were no rule.
function Notification:proceed()
	native.viso_notification_continue(self.handle)
end

--- The call is not made and returns a new fd, a duplicate of this file or fd of the host's.
function Notification:answer_fd(file)
	native.viso_notification_answer_fd(self.handle, io.type(file) and native.stream_fd(file) or file)
end

return Notification
