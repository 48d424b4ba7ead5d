/* SPDX-License-Identifier: MIT */
#include "guest/agent/modules.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"

/* A dependency that needs itself would have no end. */
enum { DEPTH_MAX = 32 };

static bool has_list(const char *directory)
{
	char path[PATH_MAX];
	return snprintf(path, sizeof(path), "%s/modules.dep", directory) < PATH_MAX && access(path, R_OK) == 0;
}

/* The only directory of modules there, for a kernel whose name tells no version. "" for none. */
static void find_only(const char *modules, char out[PATH_MAX])
{
	_cleanup_closedir_ DIR *entries = opendir(modules);
	int count = 0;
	out[0] = '\0';
	for (struct dirent *entry; entries && (entry = readdir(entries));) {
		char path[PATH_MAX];
		if (entry->d_name[0] == '.' || snprintf(path, sizeof(path), "%s/%s", modules, entry->d_name) >= PATH_MAX ||
		    !has_list(path))
			continue;
		count++;
		strcpy(out, path);
	}
	if (count != 1)
		out[0] = '\0';
}

/* `parent`: what stands before /boot. */
static void find_below(const char *parent, const char *version, char out[PATH_MAX])
{
	static const char *const places[] = {"lib/modules", "usr/lib/modules"};
	for (int i = 0; i < 2; i++) {
		char modules[PATH_MAX - 256];
		out[0] = '\0';
		if (snprintf(modules, sizeof(modules), "%s/%s", parent, places[i]) >= (int)sizeof(modules))
			return;
		if (!version)
			find_only(modules, out);
		else if (snprintf(out, PATH_MAX, "%s/%s", modules, version) >= PATH_MAX || !has_list(out))
			out[0] = '\0';
		if (out[0])
			return;
	}
}

int modules_find(const char *kernel, char **out_directory)
{
	char parent[PATH_MAX], found[PATH_MAX];
	*out_directory = NULL;
	if (snprintf(parent, sizeof(parent), "%s", kernel) >= PATH_MAX)
		return 0;
	char *name = strrchr(parent, '/');
	if (!name)
		return 0;
	*name++ = '\0';
	const char *version = strchr(name, '-');
	char *above = strrchr(parent, '/');
	if (above)
		*above = '\0';
	find_below(parent, version ? version + 1 : NULL, found);
	if (!found[0])
		return 0;
	*out_directory = strdup(found);
	return *out_directory ? 0 : error_memory();
}

static int read_list(const char *directory, char **out_text)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/modules.dep", directory);
	FILE *file = fopen(path, "re");
	size_t room = 0;
	ssize_t n = file ? getdelim(out_text, &room, '\0', file) : -1;
	int error = errno;
	if (file)
		fclose(file);
	return n < 0 ? error_fail(VISO_STAGE_GUEST, error ? error : EIO, path, NULL) : 0;
}

/* Whether a path is that of a module of this name; between "-" and "_" modprobe(8) makes no difference. */
static bool is_module(const char *path, size_t length, const char *name)
{
	size_t begin = length;
	while (begin > 0 && path[begin - 1] != '/')
		begin--;
	for (size_t i = begin;; i++, name++) {
		char a = i < length ? path[i] : '\0', b = *name;
		if (!b)
			return length - i >= 3 && !strncmp(path + i, ".ko", 3) &&
			       (length - i == 3 || path[i + 3] == '.');
		if (a != b && !((a == '-' || a == '_') && (b == '-' || b == '_')))
			return false;
	}
}

/* The line of a module by its name, or by its whole path. NULL for none. */
static const char *find_line(const char *text, const char *name, size_t path_length)
{
	while (*text) {
		size_t length = strcspn(text, ":\n");
		bool is_it = path_length ? length == path_length && !strncmp(text, name, length)
					 : is_module(text, length, name);
		if (is_it && text[length] == ':')
			return text;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return NULL;
}

static bool has_path(const struct strings *paths, const char *path, size_t length)
{
	for (size_t i = 0; i < paths->count; i++)
		if (strlen(paths->items[i]) == length && !strncmp(paths->items[i], path, length))
			return true;
	return false;
}

static int add(const char *text, const char *line, struct strings *out, int depth)
{
	size_t length = strcspn(line, ":");
	if (has_path(out, line, length) || depth > DEPTH_MAX)
		return 0;
	const char *needed = line + length + 1;
	for (;;) {
		needed += strspn(needed, " \t");
		size_t size = strcspn(needed, " \t\n");
		if (!size)
			break;
		const char *its = find_line(text, needed, size);
		int r = its ? add(text, its, out, depth + 1) : 0;
		if (r < 0)
			return r;
		needed += size;
	}
	char *copy = strndup(line, length);
	return copy && strings_take(out, copy) == 0 ? 0 : error_memory();
}

int modules_resolve(const char *directory, const char *const *names, struct strings *out_paths)
{
	_cleanup_free_ char *text = NULL;
	int r = read_list(directory, &text);
	for (; r == 0 && *names; names++) {
		const char *line = find_line(text, *names, 0);
		if (line)
			r = add(text, line, out_paths, 0);
	}
	return r;
}
