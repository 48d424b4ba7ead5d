/* SPDX-License-Identifier: MIT */
/*
 * Where an interpreter finds its library is the search of Modules/getpath.py in CPython: upwards from the directory of
 * the executable, lib/pythonX.Y with os.py in it. (Some distributions call `lib` `lib64`, and can have both.)
 */
#include "root/provider/python.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/failure.h"
#include "root/path.h"
#include "root/source.h"
#include "root/tree.h"

static const char *const library_names[] = {"lib", "lib64"};

static bool ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);
	return length >= end_length && !strcmp(name + length - end_length, end);
}

/* "python3.11" from "/usr/bin/python3.11"; NULL for anything else. A letter for the ABI may follow, as in python3.13t.
 */
static const char *interpreter_name(const char *host)
{
	static const char prefix[] = "python3.";
	const char *name = strrchr(host, '/') + 1;
	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	const char *end = name + sizeof(prefix) - 1;
	if (!isdigit((unsigned char)*end))
		return NULL;
	while (isdigit((unsigned char)*end))
		end++;
	return !*end || (!end[1] && (*end == 't' || *end == 'd')) ? name : NULL;
}

/* Tests, what is for building extensions, and packages that are no part of Python. */
static bool leave_out(const char *name, int depth, bool is_directory)
{
	static const char *const names[] = {"test", "tests", "idle_test"};
	static const char *const top_names[] = {"site-packages", "dist-packages"};
	if (!is_directory)
		return ends_with(name, ".a");
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

/* Links of the library can lead out of it, as Debian's sitecustomize.py does. What they lead to comes as well. */
static int follow_links(struct manifest *manifest, size_t from, const struct path_end *library)
{
	size_t length = strlen(library->target);
	for (size_t i = from; i < manifest->count; i++) {
		const struct manifest_entry *entry = manifest->entries[i];
		char path[PATH_MAX];
		struct path_end end;
		if (entry->type != MANIFEST_LINK || strncmp(entry->target, library->target, length) != 0 ||
		    entry->target[length] != '/')
			continue;
		if (snprintf(path, sizeof(path), "%s%s", library->host, entry->target + length) >= (int)sizeof(path))
			continue;
		/* A link that leads nowhere here leads nowhere there. */
		if (!source_has_file(manifest->source, path))
			continue;
		int r = path_take(manifest, path, &end);
		if (r >= 0)
			r = manifest_add_file(manifest, end.target, end.host, MANIFEST_KEEP);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_modules(struct closure *closure, const char *library)
{
	char path[PATH_MAX], module[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/lib-dynload", library) >= (int)sizeof(path))
		return 0;
	const struct source *source = closure->manifest->source;
	_cleanup_close_ int fd = source_open_directory(source, path);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fail_path(-fd, "read the directory", path);
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	if (!dir)
		return error_memory();
	TAKE_FD(fd);
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry)
			return errno ? fail_path(errno, "read the directory", path) : 0;
		if (!ends_with(entry->d_name, ".so") ||
		    snprintf(module, sizeof(module), "%s/%s", path, entry->d_name) >= (int)sizeof(module) ||
		    !source_has_file(source, module))
			continue;
		int r = closure_add_module(closure, module);
		if (r < 0)
			return r;
	}
}

/* 1 added, 0 there is none, or a negative errno. */
static int add_library(struct closure *closure, const char *prefix, const char *lib, const char *name)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/%s/%s/os.py", prefix, lib, name) >= (int)sizeof(path) ||
	    !source_has_file(closure->manifest->source, path))
		return 0;
	*strrchr(path, '/') = '\0';
	struct path_end end;
	int r = path_take(closure->manifest, path, &end);
	if (r < 0)
		return r;
	size_t from = closure->manifest->count;
	r = tree_add(closure->manifest, end.host, end.target, leave_out, MANIFEST_KEEP);
	if (r >= 0)
		r = follow_links(closure->manifest, from, &end);
	if (r >= 0)
		r = add_modules(closure, end.host);
	return r < 0 ? r : 1;
}

int python_add(struct closure *closure, const char *host)
{
	const char *name = interpreter_name(host);
	if (!name)
		return 0;
	char prefix[PATH_MAX], without_abi[NAME_MAX + 1];
	snprintf(prefix, sizeof(prefix), "%s", host);
	snprintf(without_abi, sizeof(without_abi), "%s", name);
	without_abi[strcspn(without_abi, "d")] = '\0';
	int found = 0;
	while (!found && prefix[0]) {
		path_pop(prefix);
		for (size_t i = 0; i < sizeof(library_names) / sizeof(library_names[0]); i++) {
			int r = add_library(closure, prefix, library_names[i], without_abi);
			if (r < 0)
				return r;
			found |= r;
		}
	}
	if (!found)
		return error_fail(
			VISO_STAGE_ROOT, ENOENT, host,
			"the standard library of %s (lib/%s/os.py, in a directory above it) is missing; install it",
			host, without_abi);
	return 0;
}
