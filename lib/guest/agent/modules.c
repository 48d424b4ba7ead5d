/* SPDX-License-Identifier: MIT */
#include "guest/agent/modules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"

/* A dependency that needs itself would have no end. */
enum { DEPTH_MAX = 32, SIZE_MAX_MODULE = 64 << 20 };

static bool has_modules(const char *directory)
{
	char path[PATH_MAX];
	return snprintf(path, sizeof(path), "%s/kernel", directory) < PATH_MAX && access(path, R_OK | X_OK) == 0;
}

/* The only directory of modules there, for a kernel whose name tells no version. "" for none. */
static void find_only(const char *modules, char out[PATH_MAX])
{
	_cleanup_closedir_ DIR *entries = opendir(modules);
	int count = 0;
	out[0] = '\0';
	for (struct dirent *entry; entries && (entry = readdir(entries));) {
		char path[PATH_MAX];
		if (entry->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s", modules, entry->d_name) >= PATH_MAX || !has_modules(path))
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
		else if (snprintf(out, PATH_MAX, "%s/%s", modules, version) >= PATH_MAX || !has_modules(out))
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

/* The contents of a list, or NULL. */
static char *read_list(const char *directory)
{
	char path[PATH_MAX], *text = NULL;
	size_t room = 0;
	if (snprintf(path, sizeof(path), "%s/modules.dep", directory) >= PATH_MAX)
		return NULL;
	FILE *file = fopen(path, "re");
	ssize_t n = file ? getdelim(&text, &room, '\0', file) : -1;
	if (file)
		fclose(file);
	if (n > 0)
		return text;
	free(text);
	return NULL;
}

/* A line for each module below `path`, as modules.dep has it, but without what they need. */
static void walk(const char *directory, const char *path, FILE *list, int depth)
{
	char full[PATH_MAX], below[PATH_MAX];
	if (depth > DEPTH_MAX || snprintf(full, sizeof(full), "%s/%s", directory, path) >= PATH_MAX)
		return;
	_cleanup_closedir_ DIR *entries = opendir(full);
	for (struct dirent *entry; entries && (entry = readdir(entries));) {
		if (entry->d_name[0] == '.' || snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= PATH_MAX)
			continue;
		if (entry->d_type == DT_DIR)
			walk(directory, below, list, depth + 1);
		else if (strstr(entry->d_name, ".ko"))
			fprintf(list, "%s:\n", below);
	}
}

/* What depmod(8) would make, as far as it is needed: kernels that were unpacked only have none of its lists. */
static char *make_list(const char *directory)
{
	char *text = NULL;
	size_t size = 0;
	FILE *list = open_memstream(&text, &size);
	if (!list)
		return NULL;
	walk(directory, "kernel", list, 0);
	if (fclose(list) == 0)
		return text;
	free(text);
	return NULL;
}

/* The names that a module says it needs, with commas between them, in its section .modinfo; NULL for none. */
static char *read_needs(const char *directory, const char *line, size_t length)
{
	static const char mark[] = "\0depends=";
	char path[PATH_MAX];
	struct stat st;
	if (snprintf(path, sizeof(path), "%s/%.*s", directory, (int)length, line) >= PATH_MAX)
		return NULL;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > SIZE_MAX_MODULE)
		return NULL;
	_cleanup_free_ char *data = malloc((size_t)st.st_size + 1);
	ssize_t n = data ? pread(fd, data, (size_t)st.st_size, 0) : -1;
	if (n < 0)
		return NULL;
	data[n] = '\0';
	const char *found = memmem(data, (size_t)n, mark, sizeof(mark) - 1);
	return found ? strdup(found + sizeof(mark) - 1) : NULL;
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

struct resolver {
	const char *directory;
	const char *text;
	bool is_complete;      /* the lines say what modules need */
	struct strings *begun; /* so that those that need each other come to an end */
	struct strings *out;
};

static int add(const struct resolver *resolver, const char *line, int depth)
{
	static const char separators[] = " \t,";
	size_t length = strcspn(line, ":");
	if (has_path(resolver->begun, line, length) || depth > DEPTH_MAX)
		return 0;
	char *own = strndup(line, length);
	if (!own || strings_take(resolver->begun, own) < 0)
		return error_memory();
	_cleanup_free_ char *read = resolver->is_complete ? NULL : read_needs(resolver->directory, line, length);
	const char *needed = resolver->is_complete ? line + length + 1 : read ? read : "";
	for (;;) {
		needed += strspn(needed, separators);
		size_t size = strcspn(needed, " \t,\n");
		if (!size)
			break;
		char name[PATH_MAX];
		snprintf(name, sizeof(name), "%.*s", (int)size, needed);
		const char *its = find_line(resolver->text, name, resolver->is_complete ? size : 0);
		int r = its ? add(resolver, its, depth + 1) : 0;
		if (r < 0)
			return r;
		needed += size;
	}
	char *copy = strndup(line, length);
	return copy && strings_take(resolver->out, copy) == 0 ? 0 : error_memory();
}

int modules_resolve(const char *directory, const char *const *names, struct strings *out_paths)
{
	_cleanup_free_ char *complete = read_list(directory), *made = complete ? NULL : make_list(directory);
	_cleanup_(strings_clear) struct strings begun = {0};
	const struct resolver resolver = {.directory = directory,
					  .text = complete ? complete : made,
					  .is_complete = complete,
					  .begun = &begun,
					  .out = out_paths};
	if (!resolver.text)
		return error_memory();
	int r = 0;
	for (; r == 0 && *names; names++) {
		const char *line = find_line(resolver.text, *names, 0);
		if (line)
			r = add(&resolver, line, 0);
	}
	return r;
}
