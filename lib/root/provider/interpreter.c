/* SPDX-License-Identifier: MIT */
/*
 * These interpreters have their search paths built in: fixed directories of the prefix that they were made for. The
 * directories that are named here are those of the upstream projects and of Debian, Fedora and Arch; those that a host
 * has are taken.
 */
#include "root/provider/interpreter.h"

#include <string.h>

#include "root/provider/runtime.h"

/* What is for building extensions. */
static bool perl_leave_out(const char *name, int depth, bool is_directory)
{
	(void)depth;
	return is_directory ? !strcmp(name, "CORE") : runtime_ends_with(name, ".a");
}

int perl_add(struct closure *closure, const char *host)
{
	static const char *const names[] = {"perl-base", "perl", "perl5", "site_perl", NULL};
	char prefix[PATH_MAX];
	if (!runtime_is_named(runtime_name(host), "perl", NULL))
		return 0;
	const char *reason = manifest_set_reason(closure->manifest, "runtime perl");
	runtime_prefix(host, prefix);
	int r = runtime_add_libraries(closure, prefix, names, perl_leave_out);
	if (r > 0)
		r = runtime_add_tree(closure, "/etc/perl", NULL);
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}

int lua_add(struct closure *closure, const char *host)
{
	const char *version;
	char prefix[PATH_MAX], directory[NAME_MAX + 1 + sizeof("lua/")];
	if (!runtime_is_named(runtime_name(host), "lua", &version) &&
	    !runtime_is_named(runtime_name(host), "luajit", &version))
		return 0;
	/* LuaJIT has the modules of Lua 5.1, and some of its own, luajit-2.1/jit. */
	bool jit = !strncmp(runtime_name(host), "luajit", 6);
	strcpy(directory, "lua/");
	strcat(directory, jit ? "5.1" : version);
	const char *const names[] = {directory, jit ? "luajit-2.1" : NULL, NULL};
	const char *reason = manifest_set_reason(closure->manifest, "runtime lua");
	runtime_prefix(host, prefix);
	int r = runtime_add_libraries(closure, prefix, names, NULL);
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}

/* Not deeper: there "doc" can be the name of a library. */
static bool ruby_leave_out(const char *name, int depth, bool is_directory)
{
	/* gems/3.1.0/doc is what ri(1) shows, gems/3.1.0/cache has the gems as they were downloaded. */
	if (is_directory)
		return depth <= 2 && !strcmp(name, "doc");
	return runtime_ends_with(name, ".a") || runtime_ends_with(name, ".gem");
}

int ruby_add(struct closure *closure, const char *host)
{
	static const char *const names[] = {"ruby", "site_ruby", "vendor_ruby", NULL};
	static const char *const gems[] = {"gems", "rubygems-integration", NULL};
	char prefix[PATH_MAX];
	if (!runtime_is_named(runtime_name(host), "ruby", NULL))
		return 0;
	const char *reason = manifest_set_reason(closure->manifest, "runtime ruby");
	runtime_prefix(host, prefix);
	int r = runtime_add_libraries(closure, prefix, names, ruby_leave_out);
	if (r > 0)
		r = runtime_add_libraries(closure, prefix, gems, ruby_leave_out);
	/* Debian: what `gem install` as root puts there. */
	if (r > 0)
		r = runtime_add_tree(closure, "/var/lib/gems", ruby_leave_out);
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}

/* Those of its built-in modules that Debian's Node keeps in files, as lib/internal/deps of its source tells. */
static int add_node_built_ins(struct closure *closure, const char *prefix)
{
	static const char *const names[] = {"acorn",    "acorn-walk", "busboy",       "cjs-module-lexer",
					    "corepack", "minimatch",  "streamsearch", "undici"};
	char path[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(names) / sizeof(names[0]); i++)
		if (runtime_path(path, "%s/share/nodejs/%s", prefix, names[i]))
			r = runtime_add_tree(closure, path, NULL);
	return r;
}

int node_add(struct closure *closure, const char *host)
{
	static const char *const names[] = {"nodejs", NULL};
	char prefix[PATH_MAX];
	if (!runtime_is_named(runtime_name(host), "node", NULL) &&
	    !runtime_is_named(runtime_name(host), "nodejs", NULL))
		return 0;
	const char *reason = manifest_set_reason(closure->manifest, "runtime node");
	runtime_prefix(host, prefix);
	/* All modules of the distribution, hundreds of packages, are for scripts that may use them. */
	int r = closure->for_script ? runtime_add_libraries(closure, prefix, names, NULL)
				    : add_node_built_ins(closure, prefix);
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}
