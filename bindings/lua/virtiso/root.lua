-- SPDX-License-Identifier: MIT
-- Root file systems.

local native = require "virtiso.native"
local support = require "virtiso.support"

local names = support.names
local name_of = support.name_of
local value_of = support.value_of
local check_options = support.check_options
local set = support.set

local providers = names("VISO_PROVIDER_", "dlopen_notes nss gconv pam openssl locale zoneinfo certificates runtime")
local copy_methods = names("VISO_COPY_", "auto reflink bytes hardlink")
local kept = names("VISO_KEEP_", "setuid capabilities")
local image_formats = names("VISO_IMAGE_", "initramfs erofs")

local roots = {}

local Root = {__name = "virtiso.root"}
Root.__index = Root

--- Adds a program of the host with everything that it needs: an absolute path, or a name looked up in the default PATH.
function Root:add_program(program)
	native.viso_root_add_program(self.handle, program)
end

--- Adds a file of the host, at `target` in the root or at the same path.
function Root:add_file(path, target)
	native.viso_root_add_file(self.handle, path, target)
end

--- Adds a directory of the host with all that is below it, at `target` in the root or at the same path.
function Root:add_directory(path, target)
	native.viso_root_add_directory(self.handle, path, target)
end

--- Adds a file with these contents; `mode` is 0644 (tonumber("644", 8)) unless given.
function Root:add_data(target, data, mode)
	native.viso_root_add_data(self.handle, target, data, mode or 420)
end

--- Adds a shared library that a program loads by itself, with the libraries that it needs: a path or a soname.
function Root:add_library(library)
	native.viso_root_add_library(self.handle, library)
end

--- Adds all files of an installed package, with what its programs and libraries need.
function Root:add_package(package)
	native.viso_root_add_package(self.handle, package)
end

--- Adds a device of the host at the same path.
function Root:add_device(path)
	native.viso_root_add_device(self.handle, path)
end

--- Adds a user to /etc/passwd; the home is "/" and the shell "/bin/sh" where they are not given.
function Root:add_user(name, uid, gid, home, shell)
	native.viso_root_add_user(self.handle, name, uid, gid, home, shell)
end

--- Adds a group to /etc/group.
function Root:add_group(name, gid)
	native.viso_root_add_group(self.handle, name, gid)
end

--- Unpacks a tar archive as a base, at `target` in the root or at "/".
function Root:add_archive(path, target)
	native.viso_root_add_archive(self.handle, path, target)
end

--- Lets `progress(done, total, path)` hear how far building is; nil for nobody. What it throws is thrown by the build, and what
-- it returns cancels the build where that is true. It must not use the root, but for root:cancel() and root:path().
function Root:set_progress(progress)
	local raised = self.raised
	self.progress = progress and function(...)
		local ok, cancel = pcall(progress, ...)
		if not ok then
			raised.error = cancel
		end
		return not ok or cancel
	end
	native.viso_root_set_progress_handler(self.handle, self.progress)
end

-- Calls what may build the root; what its progress function threw is thrown here.
function roots.build(root, call, ...)
	if not root then
		return call(...)
	end
	root.raised.error = nil
	local ok, result = pcall(call, ...)
	if not ok then
		error(root.raised.error ~= nil and root.raised.error or result, 0)
	end
	return result
end

--- Builds the root now; without this call the first start of a sandbox does it.
function Root:build()
	roots.build(self, native.viso_root_build, self.handle)
end

--- Brings the directory of the option `path` to what the root says now; returns how many entries were made, changed or removed.
function Root:update()
	return roots.build(self, native.viso_root_update, self.handle)
end

--- Cancels the build that runs; for its progress function.
function Root:cancel()
	native.viso_root_cancel(self.handle)
end

local states = names("VISO_ENTRY_", "right missing retyped changed chmodded unknown")

-- A list of entries, tables with the fields path, type, mode, size, sha256, link, reason, state.
local function entries(handle)
	local list = {}
	for i = 0, native.viso_manifest_count(handle) - 1 do
		list[i + 1] = {
			path = native.viso_manifest_path(handle, i),
			type = native.viso_entry_type_name(native.viso_manifest_type(handle, i)),
			mode = native.viso_manifest_mode(handle, i),
			size = native.viso_manifest_size(handle, i),
			sha256 = native.viso_manifest_sha256(handle, i),
			link = native.viso_manifest_link(handle, i),
			reason = native.viso_manifest_reason(handle, i),
			state = name_of(states, native.viso_manifest_state(handle, i)),
		}
	end
	return list
end

--- What the root would contain, without making anything: a list of entries, tables with the fields
--   path, type ("directory", "file", "link", "device"), mode, size, sha256, link, reason, state.
function Root:plan()
	return entries(native.viso_root_plan(self.handle))
end

--- The record of what was built, and why: a list of entries.
function Root:manifest()
	return entries(native.viso_root_manifest(self.handle))
end

-- The entries that are not right.
local function differences(handle)
	local list = {}
	for _, entry in ipairs(entries(handle)) do
		if entry.state ~= "right" then
			list[#list + 1] = entry
		end
	end
	return list
end

--- Compares what was built with its record; returns a list of the entries that differ, each with its `state`: "missing",
-- "retyped", "changed", "chmodded", "unknown". Files that the library did not make are not looked at.
function Root:verify()
	return differences(native.viso_root_verify(self.handle))
end

--- Writes the record into a file, in the format of mtree(5).
function Root:save_manifest(path)
	native.viso_manifest_save(native.viso_root_manifest(self.handle), path)
end

--- Compares a directory with a record that root:save_manifest() wrote; returns what root:verify() returns.
function roots.verify(path, directory)
	return differences(native.viso_manifest_verify(native.viso_manifest_load(path), directory))
end

--- Removes what was built; returns how many entries stay, since files lie in them that the library did not make.
function Root:remove()
	return native.viso_root_remove(self.handle)
end

--- Packs the root into a file: `format` is "initramfs" (where it is not given) or "erofs".
function Root:write_image(path, format)
	local number = value_of(image_formats, format or "initramfs", "image format", 2)
	roots.build(self, native.viso_image_write, self.handle, number, path)
end

--- Removes from a store what no root uses any more; returns how many files that were.
function roots.prune_store(path)
	return native.viso_root_prune_store(path)
end

--- The directory on the host in which the root lies; nil before it is built.
function Root:path()
	local ok, path = pcall(native.viso_root_path, self.handle)
	return ok and path or nil
end

local root_lists = {"programs", "libraries", "packages", "files", "directories", "data", "devices", "users", "groups",
	"providers_off", "keep"}
roots.options = set [[programs libraries packages files directories data devices users groups source archive image
	providers_off copy_method store keep progress path directory]]

local function pair(value)
	return table.unpack(type(value) == "table" and value or {value}, 1, 2)
end

-- What must be said before anything is added.
local function begin_root(root, options)
	local handle = root.handle
	if options.directory then
		native.viso_root_use_directory(handle, options.directory)
	end
	if options.source then
		native.viso_root_set_source(handle, options.source)
	end
	if options.image then
		native.viso_root_add_image(handle, pair(options.image))
	end
	if options.path then
		native.viso_root_set_path(handle, options.path)
	end
	for _, name in ipairs(options.providers_off or {}) do
		native.viso_root_set_provider(handle, value_of(providers, name, "provider"), 0)
	end
	if options.copy_method then
		native.viso_root_set_copy_method(handle, value_of(copy_methods, options.copy_method, "copy method"))
	end
	if options.store then
		native.viso_root_set_store(handle, options.store)
	end
	local keep = 0
	for _, name in ipairs(options.keep or {}) do
		keep = keep | value_of(kept, name, "privilege")
	end
	if keep ~= 0 then
		native.viso_root_set_keep(handle, keep)
	end
	if options.progress then
		root:set_progress(options.progress)
	end
	if options.archive then
		root:add_archive(pair(options.archive))
	end
end

--- Makes a root file system from a table of options, all of them optional:
--   programs       list of programs
--   libraries      list of shared libraries that the programs load by themselves (plugins)
--   packages       list of installed packages
--   files          list of paths, or of {path, target}
--   directories    list of paths, or of {path, target}
--   data           table of contents by path in the root; contents may be {bytes, mode}
--   devices        list of devices of the host
--   users          list of {name, uid, gid, home, shell}; the last two may be missing
--   groups         table of numbers by name
--   source         another tree than the host's, from which all of this is taken
--   archive        a tar archive to begin with, or {path, target}
--   image          a directory with an OCI image layout to begin with, or {directory, reference}
--   providers_off  list of rules that shall add nothing, such as "nss"
--   copy_method    "auto", "reflink", "bytes", "hardlink"
--   store          a directory in which roots share their contents
--   keep           list of "setuid", "capabilities"
--   progress       function(done, total, path), called while it is built
--   path           where to build it; that directory is kept
--   directory      an existing directory that is used as it is
function roots.root(options)
	options = options or {}
	check_options(options, roots.options, 2)
	for _, name in ipairs(root_lists) do
		if options[name] ~= nil and type(options[name]) ~= "table" then
			error(("the option '%s' must be a table"):format(name), 2)
		end
	end
	local root = setmetatable({handle = native.viso_root_new(), raised = {}}, Root)
	begin_root(root, options)
	for _, name in ipairs {"program", "library", "package", "device"} do
		local list = name == "library" and "libraries" or name .. "s"
		for _, value in ipairs(options[list] or {}) do
			root["add_" .. name](root, value)
		end
	end
	for _, file in ipairs(options.files or {}) do
		root:add_file(pair(file))
	end
	for _, directory in ipairs(options.directories or {}) do
		root:add_directory(pair(directory))
	end
	for target, contents in pairs(options.data or {}) do
		root:add_data(target, pair(contents))
	end
	for name, gid in pairs(options.groups or {}) do
		root:add_group(name, gid)
	end
	for _, user in ipairs(options.users or {}) do
		root:add_user(table.unpack(user, 1, 5))
	end
	return root
end

function roots.is_root(value)
	return getmetatable(value) == Root
end

return roots
