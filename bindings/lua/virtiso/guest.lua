-- SPDX-License-Identifier: MIT
-- The guest, and its options.

local native = require "virtiso.native"
local commands = require "virtiso.command"
local hypercalls = require "virtiso.hypercall"
local results = require "virtiso.result"
local roots = require "virtiso.root"
local sandboxes = require "virtiso.sandbox"
local snapshots = require "virtiso.snapshot"
local support = require "virtiso.support"
local sized = sandboxes.sized

local EIO, ERRNO_MAX, ENOSYS = 5, 4095, 38
local placements = support.names("VISO_PLACEMENT_", "thread contained")
local consoles = support.names("VISO_CONSOLE_", "serial virtio")
local platforms = support.names("VISO_PLATFORM_", "microvm pc")
local agents = support.names("VISO_AGENT_", "viso qemu")
local media = support.names("VISO_ROOT_MEDIUM_", "auto memory disk share")
local shutdowns = support.names("VISO_SHUTDOWN_", "power_off reboot")
local statistics = support.names("VISO_STATISTIC_", [[memory_total memory_free memory_available swap_total swap_free load_1 load_5
	load_15 processes uptime_ms time_ns commands]])
local memory_figures = support.names("VISO_MEMORY_", [[swapped_in swapped_out major_faults minor_faults free total available caches
	balloon]])
local devices = support.names("VISO_DEVICE_", "serial disk network ports vsock share")
local traffic = support.names("VISO_TRAFFIC_", "bytes_to_guest bytes_from_guest operations_to_guest operations_from_guest")

local Guest = setmetatable({__name = "virtiso.guest"}, {__index = sandboxes.Sandbox})
Guest.__index = Guest
Guest.__close = sandboxes.Sandbox.__close

-- Options

-- One of these names.
local function chosen(set, names, option)
	return function(handle, value)
		set(handle, support.value_of(names, value, option))
	end
end

local function counted(set)
	return function(handle, value)
		set(handle, support.count(value))
	end
end

local function textual(set, what)
	return function(handle, value)
		set(handle, support.expect("string", value, what))
	end
end

local setters = {
	memory_max = sized(native.viso_guest_set_memory_max),
	processes_max = counted(native.viso_guest_set_processes_max),
	files_max = counted(native.viso_guest_set_files_max),
	written_max = sized(native.viso_guest_set_written_max),
	syscalls_max = counted(native.viso_guest_set_syscalls_max),
	core_path = textual(native.viso_guest_set_core_path, "a path"),
	ring_us = counted(native.viso_guest_set_ring),
	kernel = textual(native.viso_guest_set_kernel, "a path"),
	initramfs = textual(native.viso_guest_set_initramfs, "a path"),
	command_line = textual(native.viso_guest_set_command_line, "text"),
	processors = counted(native.viso_guest_set_processors),
	firmware = textual(native.viso_guest_set_firmware, "a path"),
	placement = chosen(native.viso_guest_set_placement, placements, "placement"),
	console = chosen(native.viso_guest_set_console, consoles, "console"),
	platform = chosen(native.viso_guest_set_platform, platforms, "platform"),
	agent = chosen(native.viso_guest_set_agent, agents, "agent"),
	root_medium = chosen(native.viso_guest_set_root_medium, media, "root_medium"),
}

function setters.network(_, value)
	if value ~= "none" then
		error("a guest has no network but what connect gives", 0)
	end
end

function setters.flat_image(handle, image)
	if type(image) ~= "table" or not image.path or not image.address then
		error("it is {path = …, address = …}", 0)
	end
	native.viso_guest_set_flat_image(handle, support.expect("string", image.path, "a path"), support.count(image.address))
end

local disk_flags = {
	read_only = native.VISO_DISK_READ_ONLY,
	discard_writes = native.VISO_DISK_DISCARD_WRITES,
	cdrom = native.VISO_DISK_CDROM,
}

local function set_rates(set, handle, index, device)
	for name, what in pairs {bytes_rate = native.VISO_RATE_BYTES, operations_rate = native.VISO_RATE_OPERATIONS} do
		local rate = device[name]
		rate = type(rate) == "table" and rate or {per_second = rate}
		support.check_options(rate, support.set "per_second burst", 1)
		if rate.per_second then
			set(handle, index - 1, what, support.size(rate.per_second), support.size(rate.burst or 0))
		end
	end
end

function setters.disks(handle, disks)
	for index, disk in ipairs(support.expect("table", disks, "a list of paths or tables")) do
		local flags = 0
		disk = type(disk) == "table" and disk or {path = disk}
		support.check_options(disk, support.set "path read_only discard_writes cdrom bytes_rate operations_rate", 1)
		for name, flag in pairs(disk_flags) do
			flags = flags | (disk[name] and flag or 0)
		end
		native.viso_guest_add_disk(handle, support.expect("string", disk.path, "the path of a disk"), flags)
		set_rates(native.viso_guest_set_disk_rate, handle, index, disk)
	end
end

local function fd_of(file, what)
	local fd = io.type(file) and native.stream_fd(file) or math.type(file) == "integer" and file
	return fd or error(("an open %s, or its fd, is expected, not %s"):format(what, type(file) == "string" and ("%q"):format(file) or type(file)), 0)
end

function setters.ports(handle, ports)
	for name, file in pairs(support.expect("table", ports, "a table of sockets by name")) do
		native.viso_guest_add_port(handle, name, fd_of(file, "socket"))
	end
end

function setters.interfaces(handle, interfaces)
	for index, interface in ipairs(support.expect("table", interfaces, "a list of tap devices or sockets")) do
		interface = type(interface) == "table" and interface or {file = interface}
		support.check_options(interface, support.set "file mac bytes_rate operations_rate", 1)
		native.viso_guest_add_network(handle, fd_of(interface.file, "tap device or socket"), interface.mac)
		set_rates(native.viso_guest_set_network_rate, handle, index, interface)
	end
end

function setters.shares(handle, shares)
	for tag, directory in pairs(support.expect("table", shares, "a table of paths by tag")) do
		local share = type(directory) == "table" and directory or {path = directory}
		support.check_options(share, support.set "path writable keep_setid", 1)
		if share.writable then
			native.viso_guest_share_writable(handle, share.path, tag, share.keep_setid and native.VISO_SHARE_KEEP_SETID or 0)
		else
			native.viso_guest_share_directory(handle, share.path, tag)
		end
	end
end

function setters.vsock(handle, vsock)
	if type(vsock) ~= "table" or not vsock.cid or not vsock.path then
		error("it is {cid = …, path = …}", 0)
	end
	native.viso_guest_set_vsock(handle, support.count(vsock.cid), support.expect("string", vsock.path, "a path"))
end

local function in_order(list)
	local paths = {}
	for path in pairs(list) do
		paths[#paths + 1] = path
	end
	table.sort(paths)
	return ipairs(paths)
end

function setters.binds(handle, binds)
	for _, path in in_order(binds) do
		local bind = binds[path]
		if type(bind) ~= "table" then
			bind = {source = bind}
		end
		support.check_options(bind, support.set "source read_only", 1)
		local source, writable = bind.source, bind.read_only and 0 or 1
		if io.type(source) then
			native.viso_guest_add_bind_fd(handle, native.stream_fd(source), path, writable)
		else
			native.viso_guest_add_bind(handle, source, path, writable)
		end
	end
end

function setters.contents(handle, contents)
	for _, path in in_order(contents) do
		native.viso_guest_add_file(handle, path, contents[path], 292) -- 0444
	end
end

local function set_writable(handle, options)
	if options.writable == "discard" then
		native.viso_guest_set_upper_discarded(handle, support.size(options.writable_max or 0))
	elseif options.writable_max then
		error('writable_max goes with writable = "discard"', 0)
	elseif options.writable then
		native.viso_guest_set_upper_directory(handle, options.writable)
	end
end

-- Handlers

-- Where the running call of the package finds what handlers threw; that of a clone calls those of the guest that was frozen.
local running

-- Calls a handler; what it throws must not go through the library: the running call of the package throws it, and the program gets EIO.
local function guarded(handler, what, wrap, default)
	if type(handler) ~= "function" then
		error(("%s must be a function, not %s"):format(what, type(handler)), 3)
	end
	return function(value)
		local ok, result = pcall(handler, wrap(value))
		if ok and result == nil then
			result = default
		end
		local number = ok and math.tointeger(result)
		if number then
			return number
		end
		running.thrown = running.thrown or {ok and ("%s must return an integer, not %s"):format(what, type(result)) or result}
		return -EIO
	end
end

--- Sets the handler of a hypercall, before anything has run, or in a clone before its first call: a function, or false for
-- next_hypercall(). The functions of a computer are called in serve().
function Guest:set_hypercall(number, handler)
	if not math.tointeger(number) then
		error(("a hypercall has a number, not %q"):format(tostring(number)), 2)
	end
	if not handler then
		native.viso_guest_queue_hypercall(self.handle, number)
		return
	end
	if self.is_computer then
		-- Its processors are threads of their own, in which Lua cannot run.
		native.viso_guest_queue_hypercall(self.handle, number)
		self.handlers[number] = handler
		return
	end
	local pass_on = guarded(handler, "the handler of a hypercall", hypercalls.make, 0)
	self.handlers[number] = pass_on -- holds it: the library's reference is weak
	native.viso_guest_set_hypercall_handler(self.handle, number, pass_on)
end

--- Sets what gives the fd of a connected socket, which it gives away, for an address, or a negative errno.
function Guest:set_connect(connect)
	local pass_on = guarded(connect, "connect", function(address)
		return address
	end)
	self.handlers.connect = pass_on
	native.viso_guest_set_connect_handler(self.handle, pass_on)
end

-- Calls

-- A mistake in an argument, as the caller counts them: the raw function has the guest before them, and the time of a call.
local function as_called(failure)
	if type(failure) ~= "string" then
		return failure
	end
	return (failure:gsub("^bad argument #(%d+) to 'virtiso%.native%.viso_guest_([%w_]+)'", function(number, name)
		local hidden = name == "call" and tonumber(number) > 2 and 2 or 1
		return ("bad argument #%d to '%s'"):format(number - hidden, name)
	end))
end

-- Calls the library, and throws what a handler threw meanwhile.
local function calling(...)
	local outer, mine = running, {}
	running = mine
	local outcome = table.pack(pcall(...))
	running = outer
	if mine.thrown then
		error(mine.thrown[1], 0)
	elseif not outcome[1] then
		error(as_called(outcome[2]), 0)
	end
	return table.unpack(outcome, 2, outcome.n)
end

local function timeout_of(options)
	return options.timeout and support.milliseconds(options.timeout, "timeout") or -1
end

--- As sandbox:run(); throws what a handler threw.
function Guest:run(args, options)
	support.check_options(options or {}, commands.options, 2)
	return calling(sandboxes.Sandbox.run, self, args, options)
end

--- Switches the computer on, and returns its process while it runs. Its streams are its first serial port; of the options of run()
-- those of streams, captured output and time count, and nothing is captured without `capture_output`. The result: exit code 0 where
-- it was switched off, 1 where it was about to start anew.
function Guest:boot(options)
	options = options or {}
	support.check_options(options, commands.options, 2)
	local command, captured = commands.make({"computer"}, options)
	return self:started(native.viso_guest_boot(self.handle, command), captured, options)
end

--- What the screen of a "pc" shows; throws ENODATA where that is a picture.
function Guest:screen()
	return native.viso_guest_screen(self.handle)
end

--- Types on the keyboard of a "pc".
function Guest:type(text)
	native.viso_guest_type(self.handle, text)
end

--- Presses the power button of the computer, which most systems take for a wish to shut down.
function Guest:press_power_button()
	native.viso_guest_press_power_button(self.handle)
end

--- Presses the reset button of the computer, which ends with exit code 1.
function Guest:press_reset_button()
	native.viso_guest_press_reset_button(self.handle)
end

--- Has the operating system end itself, by viso-agent, and waits until it has: how is "power_off" or "reboot"; seconds.
function Guest:shut_down(how, timeout)
	native.viso_guest_shut_down(self.handle, support.value_of(shutdowns, how or "power_off", "way"), timeout_of {timeout = timeout or 60})
end

--- Sets the clock of the operating system to that of the host, by viso-agent.
function Guest:set_clock(timeout)
	native.viso_guest_set_clock(self.handle, timeout_of {timeout = timeout or 10})
end

--- A figure of the operating system, by viso-agent: memory_total, load_1, uptime_ms, …
function Guest:statistic(which, timeout)
	return native.viso_guest_statistic(self.handle, support.value_of(statistics, which, "statistic"), timeout_of {timeout = timeout or 10})
end

--- Asks the computer for so much of its memory.
function Guest:set_balloon(size)
	native.viso_guest_set_balloon(self.handle, support.size(size))
end

--- What has gone through a device of the computer that runs: traffic("disk", "bytes_to_guest", 0).
function Guest:traffic(device, figure, number)
	return native.viso_guest_traffic(self.handle, support.value_of(devices, device, "device"), number or 0,
		support.value_of(traffic, figure, "figure"))
end

--- What the computer has told last of its memory: free, total, available, …; throws ENODATA before it has.
function Guest:memory_figure(which)
	return native.viso_guest_memory_figure(self.handle, support.value_of(memory_figures, which, "figure"))
end

--- Runs a program until it is ready: then it stays, for call() and request(). It says so by viso_ready() or viso_receive() of
-- <virtiso/hypercall.h>, or by reading from /dev/virtiso. Options as for run(). Returns true; or nil and the result where the
-- program has ended before.
function Guest:initialise(args, options)
	options = options or {}
	support.check_options(options, commands.options, 2)
	local command, captured = commands.make(args, options)
	self.captured = captured
	local result = calling(roots.build, self.root, native.viso_guest_initialise, self.handle, command)
	if result then
		return nil, results.make(result, captured)
	end
	return true
end

--- Calls a function of the program, that waits in viso_ready(), with up to six integers; the integer that it returns.
function Guest:call(symbol, ...)
	return calling(native.viso_guest_call, self.handle, symbol, self.timeout_ms, ...)
end

--- Calls `int64_t function(const void *in, size_t in_size, void *out, size_t out_max)` of the program with a string; its answer.
-- Options: max (65536), timeout in seconds.
function Guest:call_bytes(symbol, bytes, options)
	options = options or {}
	support.check_options(options, support.set "max timeout", 2)
	local max = support.size(options.max or 65536)
	return calling(native.viso_guest_call_bytes, self.handle, symbol, bytes or "", max, timeout_of(options))
end

--- Sends the program, that reads from /dev/virtiso or waits in viso_receive(), a request; its answer. Options as for call_bytes(). This
-- and the calls also reach the system of a computer (<virtiso/doorbell.h>), several at a time; handlers are not called meanwhile.
function Guest:request(bytes, options)
	options = options or {}
	support.check_options(options, support.set "max timeout", 2)
	local max = support.size(options.max or 65536)
	return calling(native.viso_guest_request, self.handle, bytes, max, timeout_of(options))
end

--- Limits the time of call(), in seconds; nil for no limit.
function Guest:set_call_timeout(seconds)
	self.timeout_ms = timeout_of {timeout = seconds}
end

--- Cancels the call or request that is on its way, in a handler. Whether there was one.
function Guest:cancel()
	return native.viso_guest_cancel(self.handle) == 1
end

--- How the program ended that has poisoned the guest; throws ENODATA where it did not.
function Guest:last_result()
	return results.make(native.viso_guest_last_result(self.handle), self.captured or {})
end

-- The guest of a raw handle.
local function make(handle, root)
	local guest = sandboxes.make(handle, native.viso_guest_sandbox(handle), root)
	guest.handlers = {}
	guest.timeout_ms = -1
	return setmetatable(guest, Guest)
end

--- Freezes the initialised guest; it goes on as a clone itself.
function Guest:snapshot()
	local handlers, root, is_computer = self.handlers, self.root, self.is_computer
	return snapshots.make(native.viso_guest_snapshot(self.handle), function(handle)
		local clone = make(handle, root)
		clone.inherited = handlers -- the library calls them for the clone, too
		clone.is_computer = is_computer
		return clone
	end)
end

--- Reads a snapshot from a file. The guest, which has not run anything, has the root and settings that the clones shall have.
function Guest:load_snapshot(path)
	local handlers, root, is_computer = self.handlers, self.root, self.is_computer
	return snapshots.make(roots.build(root, native.viso_snapshot_load, path, self.handle), function(handle)
		local clone = make(handle, root)
		clone.inherited = handlers
		clone.is_computer = is_computer
		return clone
	end)
end

--- Brings a clone back to its snapshot, to the byte. A poisoned one is usable again.
function Guest:reset()
	native.viso_guest_reset(self.handle)
end

local bindings = support.set "disks ports interfaces vsock"

--- Gives the clone of a computer, before it is switched on, what it has of the host in place of what the guest of the snapshot
--- has: copies of the disks to which that writes, the other ends of its ports and interfaces. As the options of virtiso.guest().
function Guest:bind(options)
	support.check_options(options, bindings, 2)
	for _, name in ipairs{"disks", "ports", "interfaces", "vsock"} do
		if options[name] then
			setters[name](self.handle, options[name])
		end
	end
end

--- A fd that becomes readable when a queued hypercall waits. Never read from it.
function Guest:hypercall_fd()
	return native.viso_guest_hypercall_fd(self.handle)
end

--- The next hypercall that waits, of those that are queued; nil where none came within `timeout` seconds.
function Guest:next_hypercall(timeout)
	local handle = native.viso_guest_next_hypercall(self.handle, timeout and math.ceil(timeout * 1000) or -1)
	return handle and hypercalls.make(handle)
end

--- How often each system call was made so far, by name; with "unserved" those that the library does not serve.
function Guest:syscalls(which)
	local named = {}
	for number, count in pairs(native.viso_guest_syscalls(self.handle, which == "unserved")) do
		named[native.viso_syscall_name(number)] = count
	end
	return named
end

--- Of a computer: waits for a hypercall, at most `timeout` seconds, and answers it by its handler. True; nil where none came. Throws what
-- the handler threw; the guest gets EIO.
function Guest:serve(timeout)
	local call = self:next_hypercall(timeout)
	if not call then
		return nil
	end
	local number = call:number()
	local handler = self.handlers[number] or self.inherited and self.inherited[number] or function()
		return -ENOSYS
	end
	local ok, result = pcall(handler, call)
	local value = ok and (result == nil and 0 or math.tointeger(result))
	if not value then
		call:refuse(EIO)
		error(ok and "the handler of a hypercall must return an integer, not " .. type(result) or result, 0)
	elseif value < 0 and value >= -ERRNO_MAX then
		call:refuse(-value)
	else
		call:answer(value)
	end
	return true
end

local others = support.set "writable writable_max hypercalls connect"

local function boots(options)
	return options.kernel or options.flat_image or options.platform or options.firmware
end

local construct = sandboxes.constructor("guest", setters, others, set_writable, boots)

local guests = {
	--- The names of the options of a guest, as keys.
	options = {},
	--- Keeps virtual machines ready for all guests of this process: a start or clone takes one. 0 gives them back.
	prepare = native.viso_guest_prepare,
}
for _, list in ipairs {setters, others} do
	for name in pairs(list) do
		guests.options[name] = true
	end
end

--- Makes a guest. Options: root, memory_max, processes_max, files_max, written_max, syscalls_max, network ("none" is the
-- only one), binds ({["/data"] = "/srv/data", ["/in"] = {source = "/srv/in", read_only = true}}), contents ({["/etc/x"] = "text"}),
-- writable ("discard", or a directory of the host), writable_max, hypercalls ({[1] = function, [2] = false for next_hypercall()}),
-- connect (function), core_path, placement ("thread", "contained"), ring_us. Binds are writable unless they are read_only.
--
-- With kernel (a file of the host) or flat_image ({path = …, address = …}) it is a computer that boot() switches on: initramfs,
-- agent ("viso"; "qemu", the guest's own qemu-ga), root_medium ("memory", "disk", "share", or "auto" by its size),
-- command_line, processors, platform ("microvm"; "pc", which does not tell that it is virtual), firmware (a BIOS for "pc"), disks (a
-- list of files of the host, or of {path = …, read_only = true, discard_writes = true, cdrom = true, bytes_rate = …, operations_rate = …}), ports ({["org.example.0"] = fd}: streams to
-- programs in it), interfaces (a list of the fds of tap devices or sockets, or of {file = …, mac = …}), shares ({tag = directory}, or {tag = {path = …, writable = true}}: by virtiofs),
-- console ("serial"; "virtio", hvc0), vsock
-- ({cid = …, path = …}). With a root beside the kernel run() and the like run commands in it by viso-agent. A "pc" without a kernel boots
-- its first disk.
--
-- Handlers are called while a function of this module runs on the Lua state that called it: in call(), request(), initialise() and
-- run(), which throw what a handler threw; those of a computer, in serve(). Those of a command of spawn(), and of what comes through a ring, give ENOSYS: queue their
-- hypercalls.
function guests.guest(options)
	local box = construct(options)
	local guest = make(box.handle, box.root)
	guest.is_computer = boots(options) and true or false
	for number, handler in pairs(options.hypercalls or {}) do
		guest:set_hypercall(number, handler)
	end
	if options.connect then
		guest:set_connect(options.connect)
	end
	return guest
end

return guests
