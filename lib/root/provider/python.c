/* SPDX-License-Identifier: MIT */
/*
 * Where an interpreter finds its library is the search of Modules/getpath.py in CPython: upwards from the directory of
 * the executable, lib/pythonX.Y with os.py in it. (Some distributions call `lib` `lib64`, and can have both.)
 *
 * Packages beside the library can be many times its size. They come where something may need them: for a script, and in
 * a virtual environment, which is there for its packages.
 */
#include "root/provider/python.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/path.h"
#include "root/provider/runtime.h"
#include "root/source.h"

enum { SETTINGS_MAX = 65536 };

static const char *const library_names[] = {"lib", "lib64"};

/* "python3.11" from "/usr/bin/python3.11"; NULL for anything else. A letter for the ABI may follow, as in python3.13t.
 */
static const char *interpreter_name(const char *host)
{
	static const char prefix[] = "python3.";
	const char *name = runtime_name(host);
	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	const char *end = name + sizeof(prefix) - 1;
	if (!isdigit((unsigned char)*end))
		return NULL;
	while (isdigit((unsigned char)*end))
		end++;
	return !*end || (!end[1] && (*end == 't' || *end == 'd')) ? name : NULL;
}

/* Tests, what is for building extensions, and what add_packages() is for. */
static bool leave_out(const char *name, int depth, bool is_directory)
{
	static const char *const names[] = {"test", "tests", "idle_test"};
	static const char *const top_names[] = {"site-packages", "dist-packages"};
	if (!is_directory)
		return runtime_ends_with(name, ".a");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	if (depth > 0)
		return false;
	for (size_t i = 0; i < sizeof(top_names) / sizeof(top_names[0]); i++)
		if (!strcmp(name, top_names[i]))
			return true;
	return !strncmp(name, "config-", 7);
}

static bool leave_out_archives(const char *name, int depth, bool is_directory)
{
	(void)depth;
	return !is_directory && runtime_ends_with(name, ".a");
}

/* 1 added, 0 there is none, or a negative errno. */
static int add_library(struct closure *closure, const char *prefix, const char *lib, const char *name)
{
	char path[PATH_MAX];
	if (!runtime_path(path, "%s/%s/%s/os.py", prefix, lib, name) ||
	    !source_has_file(closure->manifest->source, path))
		return 0;
	path_pop(path);
	return runtime_add_tree(closure, path, leave_out);
}

/* Packages for all programs of a prefix, as site.py looks for them; Debian calls these directories dist-packages. */
static int add_packages(struct closure *closure, const char *prefix, const char *name)
{
	static const char *const parents[] = {"lib", "lib64", "local/lib", "local/lib64"};
	static const char *const names[] = {"site-packages", "dist-packages"};
	char path[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(parents) / sizeof(parents[0]); i++)
		for (size_t j = 0; r >= 0 && j < sizeof(names) / sizeof(names[0]); j++)
			if (runtime_path(path, "%s/%s/%s/%s", prefix, parents[i], name, names[j]))
				r = runtime_add_tree(closure, path, leave_out_archives);
	if (r >= 0 && runtime_path(path, "%s/lib/python3/dist-packages", prefix))
		r = runtime_add_tree(closure, path, leave_out_archives);
	return r;
}

/* Whether a virtual environment has the packages of the interpreter that it was made with as well. */
static bool has_system_packages(const char *settings)
{
	static const char key[] = "include-system-site-packages";
	const char *line = strcasestr(settings, key);
	if (!line)
		return false;
	line += sizeof(key) - 1;
	line += strspn(line, " \t=");
	return !strncasecmp(line, "true", 4);
}

/*
 * pyvenv.cfg lies beside the executable or one directory above, where its path is the one that was called, with links:
 * PEP 405. 1 where the packages of the interpreter itself are wanted as well, or where there is no virtual environment.
 */
static int add_environment(struct closure *closure, const char *name, bool *out_found)
{
	char directory[PATH_MAX], path[PATH_MAX];
	_cleanup_free_ char *settings = NULL;
	snprintf(directory, sizeof(directory), "%s", closure->named);
	for (int i = 0; i < 2 && !settings; i++) {
		path_pop(directory);
		if (runtime_path(path, "%s/pyvenv.cfg", directory))
			settings = source_read(closure->manifest->source, path, SETTINGS_MAX);
	}
	*out_found = settings != NULL;
	if (!settings)
		return 1;
	int r = runtime_add_file(closure, path);
	if (r >= 0)
		r = add_packages(closure, directory, name);
	return r < 0 ? r : has_system_packages(settings);
}

/* Everything for the interpreter, whose library was found beneath `prefix`. */
static int add_all_packages(struct closure *closure, const char *prefix, const char *name)
{
	bool is_environment;
	int wanted = add_environment(closure, name, &is_environment);
	if (wanted < 0 || !wanted || (!is_environment && !closure->for_script))
		return wanted < 0 ? wanted : 0;
	return add_packages(closure, prefix, name);
}

static int add_interpreter(struct closure *closure, const char *host, const char *name)
{
	char prefix[PATH_MAX];
	snprintf(prefix, sizeof(prefix), "%s", host);
	int found = 0;
	while (!found && prefix[0]) {
		path_pop(prefix);
		for (size_t i = 0; i < sizeof(library_names) / sizeof(library_names[0]); i++) {
			int r = add_library(closure, prefix, library_names[i], name);
			if (r < 0)
				return r;
			found |= r;
		}
	}
	if (!found)
		return error_fail(
			VISO_STAGE_ROOT, ENOENT, host,
			"the standard library of %s (lib/%s/os.py, in a directory above it) is missing; install it",
			host, name);
	return add_all_packages(closure, prefix, name);
}

int python_add(struct closure *closure, const char *host)
{
	const char *name = interpreter_name(host);
	if (!name)
		return 0;
	char without_abi[NAME_MAX + 1];
	snprintf(without_abi, sizeof(without_abi), "%s", name);
	without_abi[strcspn(without_abi, "d")] = '\0';
	const char *reason = manifest_set_reason(closure->manifest, "runtime python");
	int r = add_interpreter(closure, host, without_abi);
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}
