/* SPDX-License-Identifier: MIT */
#include "root/provider/runtime.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso/root.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "root/closure/program.h"
#include "root/failure.h"
#include "root/path.h"
#include "root/provider/take.h"
#include "root/source.h"

const char *runtime_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool runtime_ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);
	return length >= end_length && !strcmp(name + length - end_length, end);
}

bool runtime_is_named(const char *name, const char *base, const char **out_version)
{
	size_t length = strlen(base);
	if (strncmp(name, base, length) != 0)
		return false;
	name += length;
	if (*name && !isdigit((unsigned char)*name))
		return false;
	if (out_version)
		*out_version = name;
	return true;
}

void runtime_prefix(const char *host, char *out)
{
	snprintf(out, PATH_MAX, "%s", host);
	path_pop(out);
	path_pop(out);
	if (!out[0])
		strcpy(out, "/usr");
}

bool runtime_path(char *out, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(out, PATH_MAX, format, arguments);
	va_end(arguments);
	return length >= 0 && length < PATH_MAX;
}

int runtime_add_file(struct closure *closure, const char *path)
{
	if (!source_has_file(closure->manifest->source, path))
		return 0;
	int r = closure_take_file(closure, path);
	return r < 0 ? r : 1;
}

int runtime_add_module(struct closure *closure, const char *path)
{
	int r = closure_add_module(closure, path);
	if (r != -ENOEXEC && r != -ENOENT && r != -EACCES)
		return r;
	/* Others tell the program, if it loads it ever: a module for another machine, a linker's script. */
	log_debug("%s was added without libraries: %s", path, viso_error_message());
	return 0;
}

/* "x.so", "x.so.1", and the "x.node" of Node. */
static bool is_shared_object(const char *name)
{
	const char *end = strstr(name, ".so");
	while (end && end[3] && !(end[3] == '.' && isdigit((unsigned char)end[4])))
		end = strstr(end + 1, ".so");
	return end || runtime_ends_with(name, ".node");
}

int runtime_add_tree(struct closure *closure, const char *path, tree_filter leave_out)
{
	struct manifest *manifest = closure->manifest;
	struct path_end end;
	char below[PATH_MAX];
	if (!source_has_directory(manifest->source, path))
		return 0;
	size_t from = manifest->count;
	int r = take_tree(closure, path, leave_out);
	if (r >= 0)
		r = path_take(manifest, path, &end);
	for (size_t i = from; r >= 0 && i < manifest->count; i++) {
		const struct manifest_entry *entry = manifest->entries[i];
		size_t length = strlen(end.target);
		/* Also a link, which can lead out of the tree. */
		if ((entry->type == MANIFEST_FILE || entry->type == MANIFEST_LINK) &&
		    is_shared_object(entry->target + entry->name) && !strncmp(entry->target, end.target, length) &&
		    entry->target[length] == '/' && runtime_path(below, "%s%s", end.host, entry->target + length))
			r = runtime_add_module(closure, below);
	}
	return r < 0 ? r : 1;
}

/* In one directory of a prefix, such as "lib". */
static int add_names(struct closure *closure, const char *prefix, const char *directory, const char *const *names,
		     tree_filter leave_out)
{
	char path[PATH_MAX];
	int found = 0;
	for (; *names; names++) {
		if (!runtime_path(path, "%s/%s/%s", prefix, directory, *names))
			continue;
		int r = runtime_add_tree(closure, path, leave_out);
		if (r < 0)
			return r;
		found += r;
	}
	return found;
}

int runtime_add_libraries(struct closure *closure, const char *prefix, const char *const *names, tree_filter leave_out)
{
	const char *const directories[] = {closure->loader.lib, "lib64", "lib", "share"};
	char local[PATH_MAX];
	int found = 0;
	if (!runtime_path(local, "%s/local", prefix))
		return 0;
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		/* A loader whose directory is not a multiarch one says "lib" or "lib64", or nothing. */
		if (i == 0 && !strchr(directories[i], '/'))
			continue;
		int r = add_names(closure, prefix, directories[i], names, leave_out);
		if (r < 0)
			return r;
		found += r;
		r = add_names(closure, local, directories[i], names, leave_out);
		if (r < 0)
			return r;
	}
	return found;
}

int runtime_add_helper(struct closure *closure, const char *path)
{
	struct stat st;
	if (source_stat(closure->manifest->source, path, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return 0;
	/* Without what a runtime of its own starts in turn: in somebody else's tree that could go in circles. */
	int r = program_add_helper(closure->manifest, path, closure->providers_off | 1u << VISO_PROVIDER_RUNTIME);
	return r < 0 ? r : 1;
}

static int compare(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static int read_names(const struct source *source, const char *path, struct strings *names)
{
	_cleanup_close_ int fd = source_open_directory(source, path);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES ? 0
									: fail_path(-fd, "read the directory", path);
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	if (!dir)
		return error_memory();
	TAKE_FD(fd);
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry)
			return errno ? fail_path(errno, "read the directory", path) : 0;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    strings_add(names, entry->d_name) < 0)
			return error_memory();
	}
}

int runtime_read_names(struct closure *closure, const char *directory, struct strings *names)
{
	int r = read_names(closure->manifest->source, directory, names);
	if (names->count > 1)
		qsort(names->items, names->count, sizeof(*names->items), compare);
	return r;
}

int runtime_add_executables(struct closure *closure, const char *directory, tree_filter leave_out)
{
	_cleanup_(strings_clear) struct strings names = {0};
	int r = runtime_read_names(closure, directory, &names);
	for (size_t i = 0; r >= 0 && i < names.count; i++) {
		char path[PATH_MAX];
		struct stat st;
		if ((!leave_out || !leave_out(names.items[i], 0, false)) &&
		    runtime_path(path, "%s/%s", directory, names.items[i]) &&
		    source_lstat(closure->manifest->source, path, &st) >= 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 0111))
			r = runtime_add_module(closure, path);
	}
	return r;
}
