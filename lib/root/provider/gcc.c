/* SPDX-License-Identifier: MIT */
/*
 * A driver of GCC finds its parts by its own place: ../lib/gcc/TRIPLET/VERSION and ../libexec/gcc/TRIPLET/VERSION
 * (gcc(1), -B; "Directories" in GCC's fragments documentation), and `as` and `ld` in its prefix or through PATH. Debian
 * has those for other machines in gcc-cross, and their C library in ../TRIPLET.
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

/* Where the parts for one kind of machine lie: PREFIX/lib/NAME/TRIPLET. */
struct place {
	const char *prefix;
	const char *name;
	const char *triplet;
};

static const char *const libraries[] = {"lib", "lib64", "libexec"};

static bool part_path(char *out, const struct place *place, const char *library, const char *version)
{
	return runtime_path(out, "%s/%s/%s/%s/%s", place->prefix, library, place->name, place->triplet, version);
}

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

static int add_cxx_headers(struct closure *closure, const struct place *place, const char *version)
{
	char path[PATH_MAX];
	int r = 0;
	if (runtime_path(path, "%s/include/c++/%s", place->prefix, version))
		r = runtime_add_tree(closure, path, NULL);
	if (r >= 0 && runtime_path(path, "%s/include/%s/c++/%s", place->prefix, place->triplet, version))
		r = runtime_add_tree(closure, path, NULL);
	return r;
}

/* `as` and `ld`, first those that are this compiler's only. */
static int add_tools(struct closure *closure, const struct place *place)
{
	static const char *const tools[] = {"as", "ld"};
	char own[PATH_MAX], shared[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (!runtime_path(own, "%s/%s/bin/%s", place->prefix, place->triplet, tools[i]) ||
		    !runtime_path(shared, "%s/bin/%s", place->prefix, tools[i]))
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
static int add_version(struct closure *closure, const struct driver *driver, const struct place *place,
		       const char *version)
{
	char path[PATH_MAX];
	int found = 0;
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		if (!part_path(path, place, libraries[i], version) ||
		    !source_has_directory(closure->manifest->source, path))
			continue;
		int r = add_parts(closure, path, driver->is_cxx);
		if (r < 0)
			return r;
		found = 1;
	}
	int r = found && driver->is_cxx ? add_cxx_headers(closure, place, version) : 0;
	return r < 0 ? r : found;
}

/* Whether one of its compilers is there: else it is no GCC, or only its libraries are installed. */
static bool has_compiler(const struct source *source, const struct place *place, const char *version)
{
	char path[PATH_MAX];
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (part_path(path, place, libraries[i], version) && strlen(path) + sizeof("/cc1") <= sizeof(path) &&
		    source_has_file(source, strcat(path, "/cc1")))
			return true;
	return false;
}

static bool leave_out_archives(const char *name, int depth, bool is_directory)
{
	static const char *const needed[] = {"libc_nonshared.a", "libdl.a", "libpthread.a", "librt.a", "libutil.a"};
	(void)depth;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!strcmp(name, needed[i]))
			return false;
	return !is_directory && runtime_ends_with(name, ".a");
}

/* The headers and libraries in ../TRIPLET, where a compiler for another machine has them. */
static int add_foreign_library(struct closure *closure, const struct place *place)
{
	static const char *const names[] = {"include", "lib", "lib64"};
	char path[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(names) / sizeof(names[0]); i++)
		if (runtime_path(path, "%s/%s/%s", place->prefix, place->triplet, names[i]))
			r = runtime_add_tree(closure, path, leave_out_archives);
	return r;
}

/* What all versions for a kind of machine share. */
static int add_shared(struct closure *closure, const struct place *place)
{
	int r = add_tools(closure, place);
	if (r >= 0)
		r = add_foreign_library(closure, place);
	return r < 0 ? r : c_library_add(closure, place->triplet);
}

static int add_triplet(struct closure *closure, const struct driver *driver, const struct place *place)
{
	_cleanup_(strings_clear) struct strings versions = {0};
	char path[PATH_MAX];
	int found = 0;
	if (!part_path(path, place, "lib", ""))
		return 0;
	int r = runtime_read_names(closure, path, &versions);
	for (size_t i = 0; r >= 0 && i < versions.count; i++) {
		const char *version = versions.items[i];
		if (!is_version(version, driver->version) || !has_compiler(closure->manifest->source, place, version))
			continue;
		r = add_version(closure, driver, place, version);
		found |= r > 0;
	}
	return r >= 0 && found ? add_shared(closure, place) : r;
}

static int add_all(struct closure *closure, const struct driver *driver, const char *prefix, const char *name)
{
	_cleanup_(strings_clear) struct strings triplets = {0};
	char path[PATH_MAX];
	if (!runtime_path(path, "%s/lib/%s", prefix, name))
		return 0;
	int r = runtime_read_names(closure, path, &triplets);
	for (size_t i = 0; r >= 0 && i < triplets.count; i++) {
		const struct place place = {.prefix = prefix, .name = name, .triplet = triplets.items[i]};
		if (!driver->triplet[0] || !strcmp(driver->triplet, place.triplet))
			r = add_triplet(closure, driver, &place);
	}
	return r;
}

int gcc_add(struct closure *closure, const char *host)
{
	struct driver driver;
	char prefix[PATH_MAX];
	if (!parse_name(runtime_name(host), &driver))
		return 0;
	runtime_prefix(host, prefix);
	const char *reason = manifest_set_reason(closure->manifest, "runtime gcc");
	int r = add_all(closure, &driver, prefix, "gcc");
	if (r >= 0 && driver.triplet[0])
		r = add_all(closure, &driver, prefix, "gcc-cross");
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}
