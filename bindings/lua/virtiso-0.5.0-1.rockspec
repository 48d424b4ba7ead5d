-- SPDX-License-Identifier: MIT
-- Builds the Lua module against an installed libvirtiso; needs swig.
rockspec_format = "3.0"
package = "virtiso"
version = "0.5.0-1"
source = {
	url = "git+https://github.com/libvirtiso/libvirtiso.git",
	tag = "v0.5.0",
}
description = {
	summary = "Run a program isolated: chroot jail, namespace container, KVM guest",
	detailed = "One program, one root file system, three strengths of isolation behind one API.",
	license = "MIT",
}
supported_platforms = {"linux"}
dependencies = {"lua >= 5.4, < 5.5"}
external_dependencies = {
	VIRTISO = {header = "virtiso.h", library = "virtiso"},
}
build = {
	type = "command",
	build_command = "swig -lua -nomoduleglobal -I$(VIRTISO_INCDIR) -Ibindings -o native_wrap.c bindings/virtiso.i && "
		.. "$(CC) $(CFLAGS) -shared -Dluaopen_native=luaopen_virtiso_native -I$(LUA_INCDIR) -I$(VIRTISO_INCDIR) "
		.. "native_wrap.c -o native.so -L$(VIRTISO_LIBDIR) -lvirtiso -Wl,-rpath,$(VIRTISO_LIBDIR)",
	install_command = "install -D -m 644 bindings/lua/virtiso.lua $(LUADIR)/virtiso.lua && "
		.. "install -D -m 644 -t $(LUADIR)/virtiso bindings/lua/virtiso/*.lua && "
		.. "install -D -m 755 native.so $(LIBDIR)/virtiso/native.so",
}
