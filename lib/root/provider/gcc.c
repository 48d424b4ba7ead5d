/* SPDX-License-Identifier: MIT */
/*
 * A driver of GCC finds its parts by its own place: ../lib/gcc/TRIPLET/VERSION and ../libexec/gcc/TRIPLET/VERSION
 * (gcc(1), -B; "Directories" in GCC's fragments documentation), and `as` and `ld` in its prefix or through PATH.
 *
 * A driver for C brings the compiler for C, one for C++ that for C++ as well. Archives for static linking stay out, but
 * for those without which nothing links.
 */
#include "root/provider/gcc.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/strings.h"
#include "root/provider/c_library.h"
#include "root/provider/runtime.h"
#include "root/source.h"

/* "TRIPLET-gcc-VERSION", of which the first and the last can be missing. */
struct driver {
	char triplet[NAME_MAX + 1];
	char version[NAME_MAX + 1];
	bool is_cxx;
};

static bool parse_name(const char *name, struct driver *out)
{
	static const struct {
		const char *name;
		bool is_cxx;
	} drivers[] = {{"gcc", false}, {"cc", false}, {"cpp", false}, {"g++", true}, {"c++", true}};
	char rest[NAME_MAX + 1];
	*out = (struct driver){0};
	if (strlen(name) > NAME_MAX)
		return false;
	strcpy(rest, name);
	char *dash = strrchr(rest, '-');
	if (dash && isdigit((unsigned char)dash[1])) {
		strcpy(out->version, dash + 1);
		*dash = '\0';
		dash = strrchr(rest, '-');
	}
	if (dash) {
		*dash = '\0';
		strcpy(out->triplet, rest);
	}
	const char *base = dash ? dash + 1 : rest;
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(base, drivers[i].name)) {
			out->is_cxx = drivers[i].is_cxx;
			return true;
		}
	return false;
}

static bool leave_out_for_cxx(const char *name, int depth, bool is_directory)
{
	static const char *const directories[] = {"adainclude", "adalib", "finclude", "install-tools", "plugin"};
	/* The compilers for other languages: each has a driver of its own. */
	static const char *const compilers[] = {"cc1obj", "cc1objplus", "cc1gm2",           "crab1", "d21", "f951",
						"gnat1",  "go1",        "g++-mapper-server"};
	static const char *const archives[] = {"libgcc", "libgcov", "libssp"};
	if (depth > 0)
		return false;
	for (size_t i = 0; is_directory && i < sizeof(directories) / sizeof(directories[0]); i++)
		if (!strcmp(name, directories[i]))
			return true;
	for (size_t i = 0; !is_directory && i < sizeof(compilers) / sizeof(compilers[0]); i++)
		if (!strcmp(name, compilers[i]))
			return true;
	if (is_directory || !runtime_ends_with(name, ".a"))
		return false;
	for (size_t i = 0; i < sizeof(archives) / sizeof(archives[0]); i++)
		if (!strncmp(name, archives[i], strlen(archives[i])))
			return false;
	return true;
}

static bool leave_out_for_c(const char *name, int depth, bool is_directory)
{
	return (depth == 0 && !strcmp(name, "cc1plus")) || leave_out_for_cxx(name, depth, is_directory);
}

/* "12" is the version of the directories 12 and 12.2.0. */
static bool is_version(const char *directory, const char *wanted)
{
	size_t length = strlen(wanted);
	return !strncmp(directory, wanted, length) && (!length || !directory[length] || directory[length] == '.');
}

/* One directory of GCC's, and the libraries of what is in it. */
static int add_parts(struct closure *closure, const char *path, bool is_cxx)
{
	tree_filter filter = is_cxx ? leave_out_for_cxx : leave_out_for_c;
	int r = runtime_add_tree(closure, path, filter);
	if (r > 0)
		r = runtime_add_executables(closure, path, filter);
	if (r >= 0)
		r = linker_scripts_add(closure, path);
	return r;
}

static int add_cxx_headers(struct closure *closure, const char *prefix, const char *triplet, const char *version)
{
	char path[PATH_MAX];
	int r = 0;
	if (runtime_path(path, "%s/include/c++/%s", prefix, version))
		r = runtime_add_tree(closure, path, NULL);
	if (r >= 0 && runtime_path(path, "%s/include/%s/c++/%s", prefix, triplet, version))
		r = runtime_add_tree(closure, path, NULL);
	return r;
}

/* `as` and `ld`, first those that are this compiler's only. */
static int add_tools(struct closure *closure, const char *prefix, const char *triplet)
{
	static const char *const tools[] = {"as", "ld"};
	char own[PATH_MAX], shared[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (!runtime_path(own, "%s/%s/bin/%s", prefix, triplet, tools[i]) ||
		    !runtime_path(shared, "%s/bin/%s", prefix, tools[i]))
			continue;
		r = runtime_add_helper(closure, own);
		if (r == 0)
			r = runtime_add_helper(closure, shared);
		if (r == 0 && runtime_path(shared, "/usr/bin/%s", tools[i]))
			r = runtime_add_helper(closure, shared);
	}
	return r;
}

/* What there is of one version for one kind of machine. 1, 0 where it is not there, or a negative errno. */
static int add_version(struct closure *closure, const struct driver *driver, const char *prefix, const char *triplet,
		       const char *version)
{
	static const char *const formats[] = {"lib", "lib64", "libexec"};
	char path[PATH_MAX];
	int found = 0;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!runtime_path(path, "%s/%s/gcc/%s/%s", prefix, formats[i], triplet, version) ||
		    !source_has_directory(closure->manifest->source, path))
			continue;
		int r = add_parts(closure, path, driver->is_cxx);
		if (r < 0)
			return r;
		found = 1;
	}
	int r = found && driver->is_cxx ? add_cxx_headers(closure, prefix, triplet, version) : 0;
	return r < 0 ? r : found;
}

/* Whether one of its compilers is there: else it is no GCC, or only its libraries are installed. */
static bool has_compiler(const struct source *source, const char *prefix, const char *triplet, const char *version)
{
	static const char *const directories[] = {"lib", "lib64", "libexec"};
	char path[PATH_MAX];
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		if (runtime_path(path, "%s/%s/gcc/%s/%s/cc1", prefix, directories[i], triplet, version) &&
		    source_has_file(source, path))
			return true;
	return false;
}

static int add_triplet(struct closure *closure, const struct driver *driver, const char *prefix, const char *triplet)
{
	_cleanup_(strings_clear) struct strings versions = {0};
	char path[PATH_MAX];
	int found = 0;
	if (!runtime_path(path, "%s/lib/gcc/%s", prefix, triplet))
		return 0;
	int r = runtime_read_names(closure, path, &versions);
	for (size_t i = 0; r >= 0 && i < versions.count; i++) {
		const char *version = versions.items[i];
		if (!is_version(version, driver->version) ||
		    !has_compiler(closure->manifest->source, prefix, triplet, version))
			continue;
		r = add_version(closure, driver, prefix, triplet, version);
		found |= r > 0;
	}
	if (r >= 0 && found)
		r = add_tools(closure, prefix, triplet);
	if (r >= 0 && found)
		r = c_library_add(closure, triplet);
	return r;
}

int gcc_add(struct closure *closure, const char *host)
{
	_cleanup_(strings_clear) struct strings triplets = {0};
	struct driver driver;
	char prefix[PATH_MAX], path[PATH_MAX];
	if (!parse_name(runtime_name(host), &driver))
		return 0;
	runtime_prefix(host, prefix);
	if (!runtime_path(path, "%s/lib/gcc", prefix))
		return 0;
	const char *reason = manifest_set_reason(closure->manifest, "runtime gcc");
	int r = runtime_read_names(closure, path, &triplets);
	for (size_t i = 0; r >= 0 && i < triplets.count; i++)
		if (!driver.triplet[0] || !strcmp(driver.triplet, triplets.items[i]))
			r = add_triplet(closure, &driver, prefix, triplets.items[i]);
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}
