-- SPDX-License-Identifier: MIT
-- The container, and its options by subject.

local native = require "virtiso.native"
local commands = require "virtiso.command"
local roots = require "virtiso.root"
local sandboxes = require "virtiso.sandbox"
local support = require "virtiso.support"
local check_options = support.check_options
local names = support.names
local set = support.set
local size = support.size
local value_of = support.value_of
local sized = sandboxes.sized
local Sandbox = sandboxes.Sandbox

local io_rates = names("VISO_IO_", "read_bytes write_bytes reads writes")
local mount_flags = names("VISO_MOUNT_", "read_only no_exec devices recursive id_mapped optional")
local protocols = names("VISO_PROTOCOL_", "tcp udp")
local namespaces = names("VISO_NAMESPACE_", "mount pid network ipc uts user cgroup time")
local clocks = names("VISO_CLOCK_", "monotonic boottime")
local capability_sets = names("VISO_CAPABILITY_", "effective permitted inheritable bounding ambient")
local profiles = names("VISO_SECCOMP_", "default allow deny kill none")
local actions = names("VISO_SYSCALL_", "allow log notify error trap kill")
local rights = names("VISO_LANDLOCK_", "read write execute devices")
local hook_points = names("VISO_HOOK_", "create_runtime create_container start_container poststart poststop")

local setters = {}

-- The values of a list. A single value in its place, or a table with names, must not be silence: it may be what was to confine
-- the program.
local function values_of(list)
	if type(list) ~= "table" or (next(list) ~= nil and list[1] == nil) then
		error("a list is expected, such as {...}, not " .. (type(list) == "table" and "a table with names" or type(list)), 0)
	end
	return ipairs(list)
end

-- A list, each value of which goes to the setter.
local function each(setter)
	return function(handle, list)
		for _, value in values_of(list) do
			setter(handle, value)
		end
	end
end

-- The sum of flags of a table {read_only = true, ...}, without what else is in it.
local function flags_of(values, options)
	local flags = 0
	for name, flag in pairs(values) do
		if options[name] then
			flags = flags | flag
		end
	end
	return flags
end

-- The sum of flags that words name: "read execute".
local function flags_in(values, words, what)
	local flags = 0
	for word in words:gmatch("%S+") do
		flags = flags | value_of(values, word, what)
	end
	return flags
end

local function fd_of(file)
	return io.type(file) and native.stream_fd(file) or file
end

-- Limits

for _, name in ipairs {"memory_max", "memory_high", "swap_max"} do
	setters[name] = sized(native["viso_container_set_" .. name])
end
for _, name in ipairs {"processes_max", "cpu_weight", "cpus", "memory_nodes", "io_weight", "cgroup_parent"} do
	setters[name] = native["viso_container_set_" .. name]
end

function setters.cpu_max(handle, cpus)
	native.viso_container_set_cpu_max(handle, math.floor(cpus * 100000 + 0.5), 100000)
end

function setters.io_max(handle, devices)
	for device, limits in pairs(devices) do
		for rate, limit in pairs(limits) do
			native.viso_container_set_io_max(handle, device, value_of(io_rates, rate, "rate"), size(limit))
		end
	end
end

function setters.hugetlb_max(handle, limits)
	for page_size, limit in pairs(limits) do
		native.viso_container_set_hugetlb_max(handle, size(page_size), size(limit))
	end
end

function setters.device_access(handle, devices)
	for _, device in values_of(devices) do
		native.viso_container_allow_device(handle, device[1], device[2], device[3], device[4])
	end
end

function setters.cgroup(handle, values)
	for file, value in pairs(values) do
		native.viso_container_set_cgroup_value(handle, file, value)
	end
end

-- Files

local bind_options = set "source read_only no_exec devices recursive id_mapped optional"

-- The mounts by the names of their options; add_mounts() calls them.
local mounts = {}

function mounts.binds(handle, path, bind)
	bind = type(bind) == "table" and bind or {source = bind}
	check_options(bind, bind_options, 0)
	local add = type(bind.source) == "string" and native.viso_container_add_bind or native.viso_container_add_bind_fd
	add(handle, bind.source, path, flags_of(mount_flags, bind))
end

local tmpfs_options = set "size mode read_only no_exec"

function mounts.tmpfs(handle, path, of)
	of = type(of) == "table" and of or {size = of}
	check_options(of, tmpfs_options, 0)
	native.viso_container_add_tmpfs(handle, path, size(of.size or 0), of.mode or 1023, flags_of(mount_flags, of))
end

function mounts.contents(handle, path, data)
	native.viso_container_add_file(handle, path, data, 420)
end

function mounts.filesystems(handle, path, kind)
	native.viso_container_add_filesystem(handle, kind, path, 0)
end

-- In the order of their paths, whatever the order of the tables: what lies below comes later, and is not hidden.
local function add_mounts(handle, options)
	local list = {}
	for name, add in pairs(mounts) do
		for path, what in pairs(options[name] or {}) do
			if type(path) ~= "string" then
				error(("the option %s is a table by paths of the container, such as {[\"/mnt\"] = ...}"):format(name), 0)
			end
			list[#list + 1] = {path = path, what = what, add = add, name = name}
		end
	end
	table.sort(list, function(a, b) return a.path < b.path or a.path == b.path and a.name < b.name end)
	for _, mount in ipairs(list) do
		mount.add(handle, mount.path, mount.what)
	end
end

setters.device_nodes = each(native.viso_container_add_device)
setters.read_only = each(native.viso_container_add_read_only)
setters.masked = each(native.viso_container_add_mask)

function setters.layers(handle, layers)
	for _, layer in values_of(layers) do
		if not roots.is_root(layer) then
			error("a layer must be a virtiso.root", 0)
		end
		native.viso_container_add_layer(handle, layer.handle)
	end
end

function setters.writable(handle, how)
	if how == "discard" or type(how) == "table" then
		native.viso_container_set_upper_discarded(handle, type(how) == "table" and size(how.discard) or 0)
	elseif how == "in_place" then
		native.viso_container_set_root_writable(handle, 1)
	elseif how:find "/" then
		native.viso_container_set_upper_directory(handle, how)
	else
		error(("writable must be \"discard\", {discard = SIZE}, \"in_place\" or a directory with a slash, not %q"):format(how), 0)
	end
end

-- Network

setters.network = sandboxes.network(native.viso_container_set_network)
setters.interface = native.viso_container_set_parent_interface
setters.addresses = each(native.viso_container_add_address)
setters.gateway = native.viso_container_set_gateway
setters.dns = each(native.viso_container_add_dns_server)

function setters.nat(handle, enabled)
	native.viso_container_set_nat(handle, enabled and 1 or 0)
end

local port_options = set "host_port port protocol host_address"

function setters.ports(handle, ports)
	for host_port, port in pairs(ports) do
		port = type(port) == "table" and port or {host_port = host_port, port = port}
		check_options(port, port_options, 0)
		local protocol = value_of(protocols, port.protocol or "tcp", "protocol")
		native.viso_container_forward_port(handle, protocol, port.host_address, port.host_port, port.port)
	end
end

-- Ids and namespaces

setters.hostname = native.viso_container_set_hostname
setters.domainname = native.viso_container_set_domainname

local function id_map(kind)
	return function(handle, ranges)
		for _, range in values_of(ranges) do
			native.viso_container_add_id_map(handle, kind, range.inside, range.outside, range.count or 1)
		end
	end
end

setters.uid_map = id_map(native.VISO_ID_USER)
setters.gid_map = id_map(native.VISO_ID_GROUP)

function setters.share(handle, kinds)
	for _, kind in values_of(kinds) do
		native.viso_container_share_namespace(handle, value_of(namespaces, kind, "namespace"))
	end
end

function setters.join(handle, files)
	for kind, file in pairs(files) do
		native.viso_container_join_namespace(handle, value_of(namespaces, kind, "namespace"), fd_of(file))
	end
end

function setters.clocks(handle, offsets)
	for clock, seconds in pairs(offsets) do
		native.viso_container_set_clock_offset(handle, value_of(clocks, clock, "clock"), math.floor(seconds * 1e9 + 0.5))
	end
end

function setters.sysctls(handle, values)
	for name, value in pairs(values) do
		native.viso_container_set_sysctl(handle, name, tostring(value))
	end
end

-- Security

setters.capabilities = each(native.viso_container_add_capability)
setters.securebits = native.viso_container_set_securebits

function setters.capability_sets(handle, sets)
	for capability, words in pairs(sets) do
		native.viso_container_add_capability_to(handle, flags_in(capability_sets, words, "capability set"), capability)
	end
end

function setters.new_privileges(handle, allowed)
	native.viso_container_set_new_privileges(handle, allowed and 1 or 0)
end

function setters.seccomp(handle, profile)
	if profile:find "/" then
		native.viso_container_load_seccomp(handle, profile)
	else
		native.viso_container_set_seccomp_profile(handle, value_of(profiles, profile, "seccomp profile"))
	end
end

local rule_options = set "syscall action error argument mask value"

function setters.rules(handle, rules)
	for _, rule in values_of(rules) do
		check_options(rule, rule_options, 0)
		local action, code = value_of(actions, rule.action, "action"), rule.error or 0
		if rule.argument then
			native.viso_container_add_syscall_rule_if(handle, rule.syscall, rule.argument, rule.mask or -1, rule.value or 0, action, code)
		else
			native.viso_container_add_syscall_rule(handle, rule.syscall, action, code)
		end
	end
end

function setters.landlock(handle, paths)
	for path, words in pairs(paths) do
		native.viso_container_add_landlock_path(handle, path, flags_in(rights, words, "right"))
	end
end

-- Life

local hook_options = set "args env timeout"

function setters.hooks(handle, hooks)
	for when, list in pairs(hooks) do
		for _, hook in values_of(list) do
			check_options(hook, hook_options, 0)
			local command = commands.make(hook.args, {env = hook.env, timeout = hook.timeout})
			native.viso_container_add_hook(handle, value_of(hook_points, when, "moment of a hook"), command)
		end
	end
end

function setters.detached(handle, where)
	native.viso_container_set_detached(handle, where[1], where[2])
end

local new = sandboxes.constructor("container", setters, mounts, add_mounts)

local Container = setmetatable({__name = "virtiso.container", __close = Sandbox.__close}, {__index = Sandbox})
Container.__index = Container

--- Keeps `count` instances ready, so that a start costs little more than execve(2); 0 gives them back.
function Container:prepare(count)
	roots.build(self.root, native.viso_container_prepare, self.handle, count)
end

--- Writes the state of the running instance (start) to an empty directory, by criu(8), and ends it.
function Container:checkpoint(directory)
	native.viso_container_checkpoint(self.handle, directory)
end

--- Starts the instance from what checkpoint() wrote.
function Container:restore(directory)
	roots.build(self.root, native.viso_container_restore, self.handle, directory)
end

local containers = {options = {}}
for _, list in ipairs {setters, mounts} do
	for name in pairs(list) do
		containers.options[name] = true
	end
end

local function of(handle)
	return setmetatable(sandboxes.make(handle, native.viso_container_sandbox(handle)), Container)
end

--- Makes a container. Options: root, and all of them optional, sizes in bytes or such as "64M":
--   limits         memory_max, memory_high, swap_max, processes_max, cpu_max (in CPUs, 0.5), cpu_weight, cpus, memory_nodes ("0-3,8"),
--                  io_max ({["/dev/sda"] = {write_bytes = "10M"}}), io_weight, hugetlb_max ({["2M"] = "64M"}),
--                  device_access ({{"c", 10, 200, "rw"}}), cgroup ({["memory.low"] = "10M"}), cgroup_parent
--   files, by path binds (a path of the host, or {source =, read_only =, no_exec =, devices =, recursive =, id_mapped =, optional =}),
--                  tmpfs (a size, or {size =, mode =, read_only =, no_exec =}), contents, filesystems ({["/sys"] = "sysfs"});
--                  mounted in the order of their paths, what lies below later
--   files, lists   device_nodes, read_only, masked, layers (further roots)
--   writable       "discard", {discard = SIZE}, "in_place", or a directory of the host that keeps what is written
--   network        "none", "host", "bridge", "macvlan", "ipvlan", "user"; interface, addresses, gateway, dns, nat,
--                  ports ({[8080] = 80}, or a list of {host_port =, port =, protocol =, host_address =})
--   ids            hostname, domainname, uid_map and gid_map ({{inside =, outside =, count =}}), share ({"ipc"}),
--                  join ({network = file}), clocks ({monotonic = 3600}), sysctls
--   security       capabilities, capability_sets ({chown = "bounding permitted"}), new_privileges, securebits,
--                  seccomp ("default", "allow", "deny", "kill", "none", or the path of an OCI profile),
--                  rules ({{syscall =, action =, error =, argument =, mask =, value =}}), landlock ({["/"] = "read execute"})
--   life           hooks ({poststop = {{args = {...}}}}), detached ({directory, name})
function containers.container(options)
	return setmetatable(new(options), Container)
end

--- The container of an OCI bundle, and the command of its process, for box:run().
function containers.load_bundle(directory)
	local handle, command = native.viso_container_load_bundle(directory)
	return of(handle), commands.wrap(command)
end

--- Finds a detached container that still runs. close() ends it; dropping it does not.
function containers.attach(directory, name)
	return of(native.viso_container_attach(directory, name))
end

return containers
