#!/usr/bin/env lua5.4
-- SPDX-License-Identifier: MIT
-- Boots a kernel in a virtual computer, with its console on the standard streams.
--
--     boot.lua KERNEL [INITRAMFS [COMMAND LINE]]
--
-- A kernel is Linux (bzImage or vmlinux), any other ELF file with a PVH entry, a Multiboot image, or a boot sector. The exit code is 0
-- where the computer was switched off, 1 where it wanted to start anew, 2 where it could not be booted or crashed.

local virtiso = require "virtiso"

local kernel, initramfs, line = arg[1], arg[2], arg[3]
if not kernel or #arg > 3 then
	io.stderr:write "usage: boot.lua KERNEL [INITRAMFS [COMMAND LINE]]\n"
	os.exit(2)
end

local function boot()
	local options = {kernel = kernel, initramfs = initramfs, command_line = line or "console=ttyS0 panic=-1", memory_max = "512M"}
	local guest <close> = virtiso.guest(options)
	return guest:boot():wait()
end

local ok, result = pcall(boot)
io.stderr:write("boot.lua: ", ok and result.description or tostring(result), "\n")
os.exit(ok and result.exit_code or 2)
