-- SPDX-License-Identifier: MIT
-- The frozen state of a guest.

local native = require "virtiso.native"

local Snapshot = {__name = "virtiso.snapshot"}
Snapshot.__index = Snapshot

--- A guest of its own that goes on from here, in about the time that a virtual machine takes to make.
function Snapshot:clone()
	return self.adopt(native.viso_snapshot_clone(self.handle))
end

--- Writes it to a file, which holds all that the program has in memory. What cannot be saved is named: EOPNOTSUPP.
function Snapshot:save(path)
	native.viso_snapshot_save(self.handle, path)
end

--- The bytes of memory that all clones share.
function Snapshot:size()
	return native.viso_snapshot_size(self.handle)
end

return {
	-- `adopt` makes the guest of a raw handle.
	make = function(handle, adopt)
		return setmetatable({handle = handle, adopt = adopt}, Snapshot)
	end,
}
