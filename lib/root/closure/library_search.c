/* SPDX-License-Identifier: MIT */
/* The order is that of _dl_map_object() in elf/dl-load.c of glibc and of load_library() in ldso/dynlink.c of musl. */
#include "root/closure/library_search.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/closure/machine.h"
#include "root/source.h"

/* One search on its way. */
struct search {
	struct loader *loader;
	struct objects *objects;
	const char *name;
	struct found *found;
	bool denied; /* a library was there but could not be read */
};

static int keep(struct found *found, struct object *object)
{
	for (size_t i = 0; i < found->count; i++)
		if (found->items[i] == object)
			return 0;
	if (found->count == found->capacity) {
		size_t capacity = found->capacity ? 2 * found->capacity : 8;
		struct object **items = realloc(found->items, capacity * sizeof(*items));
		if (!items)
			return error_memory();
		found->items = items;
		found->capacity = capacity;
	}
	found->items[found->count++] = object;
	return 0;
}

/* 1 where the file is a library that the loader would take, 0 where it would look on, or a negative errno. */
static int try_file(struct search *search, const char *path)
{
	struct object *object = NULL;
	int r = objects_open(search->objects, path, &search->loader->kind, &object);
	if (r == -EACCES)
		search->denied = true;
	if (r == -EACCES || r == -ENOENT || r == 1)
		return 0;
	if (r < 0)
		return r;
	r = keep(search->found, object);
	return r < 0 ? r : 1;
}

static int try_file_in(struct search *search, const char *directory, const char *variant)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s%s%s/%s", directory, variant ? "/glibc-hwcaps/" : "",
			      variant ? variant : "", search->name);
	return length < (int)sizeof(path) ? try_file(search, path) : 0;
}

static bool is_in(const struct strings *list, const char *string)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i], string))
			return true;
	return false;
}

/* The subdirectories for better processors: the root may run on one of them, or on another host. */
static int try_variants(struct search *search, const char *directory)
{
	char path[PATH_MAX];
	if (search->loader->musl || is_in(&search->loader->without_variants, directory))
		return 0;
	if (snprintf(path, sizeof(path), "%s/glibc-hwcaps", directory) >= (int)sizeof(path))
		return 0;
	_cleanup_close_ int fd = source_open_directory(search->loader->source, path);
	if (fd < 0)
		return strings_add(&search->loader->without_variants, directory) < 0 ? error_memory() : 0;
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	if (!dir)
		return error_memory();
	TAKE_FD(fd);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		int r = try_file_in(search, directory, entry->d_name);
		if (r < 0)
			return r;
	}
	return 0;
}

/* 1 found, 0 not, or a negative errno. */
static int try_directory(struct search *search, const char *directory)
{
	/* A relative directory means the program's working directory, which nobody knows. */
	if (directory[0] != '/')
		return 0;
	int r = try_variants(search, directory);
	return r < 0 ? r : try_file_in(search, directory, NULL);
}

/* The length of the token at `text` ("$NAME" or "${NAME}"), 0 where it is another one. */
static size_t match_token(const char *text, const char *name)
{
	size_t length = strlen(name);
	if (text[1] == '{')
		return !strncmp(text + 2, name, length) && text[2 + length] == '}' ? length + 3 : 0;
	if (strncmp(text + 1, name, length) != 0)
		return 0;
	char next = text[1 + length];
	bool goes_on = next == '_' || (next >= '0' && next <= '9') || (next >= 'A' && next <= 'Z') ||
		       (next >= 'a' && next <= 'z');
	return goes_on ? 0 : length + 1;
}

/* Replaces the tokens in a part of a search path. False where the result is too long. `out` has PATH_MAX bytes. */
static bool expand(const struct loader *loader, const struct object *object, const char *text, size_t length,
		   const char *platform, char *out)
{
	size_t used = 0;
	for (size_t i = 0; i < length;) {
		const char *value = text + i;
		size_t value_length = 1, token = 0;
		if (text[i] == '$' && (token = match_token(text + i, "ORIGIN"))) {
			value = object->path;
			value_length = object->origin_length;
		} else if (text[i] == '$' && !loader->musl && (token = match_token(text + i, "LIB"))) {
			value = loader->lib;
			value_length = strlen(value);
		} else if (text[i] == '$' && !loader->musl && (token = match_token(text + i, "PLATFORM"))) {
			value = platform;
			value_length = strlen(value);
		}
		if (used + value_length >= PATH_MAX)
			return false;
		memcpy(out + used, value, value_length);
		used += value_length;
		i += token ? token : 1;
	}
	out[used] = '\0';
	return true;
}

/* Calls `try` for each path that a part of a search path can mean. 1 found, 0 not, or a negative errno. */
static int try_expanded(struct search *search, const struct object *object, const char *text, size_t length,
			int (*try)(struct search *, const char *))
{
	char path[PATH_MAX], first[PATH_MAX];
	int found = 0;
	const char *const *platforms = machine_platforms(&search->loader->kind);
	for (size_t i = 0; platforms[i]; i++) {
		if (!expand(search->loader, object, text, length, platforms[i], path))
			return 0;
		if (i > 0 && !strcmp(path, first))
			break;
		if (i == 0)
			strcpy(first, path);
		int r = try(search, path);
		if (r < 0)
			return r;
		found |= r;
	}
	return found;
}

static int try_list(struct search *search, const struct object *object, const char *list)
{
	while (list) {
		size_t length = strcspn(list, ":");
		int r = length ? try_expanded(search, object, list, length, try_directory) : 0;
		if (r != 0)
			return r;
		list = list[length] ? list + length + 1 : NULL;
	}
	return 0;
}

/* RPATH is that of the object and of all that led to it, and is void where there is a RUNPATH. */
static int try_rpaths(struct search *search, const struct scope *scope, int needer)
{
	if (scope->items[needer].object->elf.runpath)
		return 0;
	int r = 0;
	for (int i = needer; r == 0 && i >= 0; i = scope->items[i].loader) {
		const struct object *object = scope->items[i].object;
		if (!object->elf.runpath)
			r = try_list(search, object, object->elf.rpath);
	}
	return r;
}

static bool is_default_directory(const struct loader *loader, const char *path)
{
	const char *slash = strrchr(path, '/');
	for (size_t i = 0; slash && i < loader->directories.count; i++) {
		const char *directory = loader->directories.items[i];
		if (strlen(directory) == (size_t)(slash - path) && !memcmp(directory, path, (size_t)(slash - path)))
			return true;
	}
	return false;
}

static int try_cache(struct search *search, bool no_default_directories)
{
	struct loader *loader = search->loader;
	if (!loader->cache_loaded) {
		ld_cache_load(&loader->cache, loader->source, LD_CACHE_PATH);
		loader->cache.flags = machine_cache_flags(&loader->kind);
		loader->cache_loaded = true;
	}
	size_t position = 0;
	bool baseline, found = false;
	for (const char *path; (path = ld_cache_next(&loader->cache, search->name, &position, &baseline));) {
		if (path[0] != '/' || (baseline && found) ||
		    (no_default_directories && is_default_directory(loader, path)))
			continue;
		int r = try_file(search, path);
		if (r < 0)
			return r;
		found |= r && baseline;
	}
	return found;
}

static int try_defaults(struct search *search)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < search->loader->directories.count; i++)
		r = try_directory(search, search->loader->directories.items[i]);
	return r;
}

static int search_glibc(struct search *search, const struct scope *scope, int needer)
{
	const struct object *object = scope->items[needer].object;
	int r = try_rpaths(search, scope, needer);
	if (r == 0)
		r = try_list(search, object, object->elf.runpath);
	search->found->is_private = r != 0;
	if (r == 0)
		r = try_cache(search, object->elf.no_default_directories);
	if (r == 0 && !object->elf.no_default_directories)
		r = try_defaults(search);
	return r;
}

static int search_musl(struct search *search, const struct scope *scope, int needer)
{
	int r = 0;
	for (int i = needer; r == 0 && i >= 0; i = scope->items[i].loader) {
		const struct object *object = scope->items[i].object;
		r = try_list(search, object, object->elf.runpath ? object->elf.runpath : object->elf.rpath);
	}
	return r == 0 ? try_defaults(search) : r;
}

static int try_absolute(struct search *search, const char *path)
{
	return path[0] == '/' ? try_file(search, path) : 0;
}

int library_search(struct loader *loader, struct objects *objects, const struct scope *scope, int needer,
		   const char *name, struct found *out_found)
{
	struct search search = {.loader = loader, .objects = objects, .name = name, .found = out_found};
	int r;
	out_found->count = 0;
	out_found->is_private = true;
	if (strchr(name, '/'))
		r = try_expanded(&search, scope->items[needer].object, name, strlen(name), try_absolute);
	else if (loader->musl)
		r = search_musl(&search, scope, needer);
	else
		r = search_glibc(&search, scope, needer);
	if (r < 0)
		return r;
	if (r > 0)
		return 0;
	return search.denied ? -EACCES : -ENOENT;
}

bool loader_is_built_in(const struct loader *loader, const char *name)
{
	static const char *const names[] = {"libc.",  "libpthread.", "librt.",  "libm.",
					    "libdl.", "libutil.",    "libxnet."};
	for (size_t i = 0; loader->musl && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

static int add_directory(struct loader *loader, const char *prefix, const char *directory)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s%s", prefix, directory) >= (int)sizeof(path) ||
	    is_in(&loader->directories, path))
		return 0;
	return strings_add(&loader->directories, path) < 0 ? error_memory() : 0;
}

/*
 * The default directories are compiled into the loader. Every distribution puts the loader itself, and libc, into the
 * first of them, with or without /usr; the others are those of the Filesystem Hierarchy Standard.
 */
static int init_glibc(struct loader *loader, const char *interpreter_path)
{
	char directory[PATH_MAX];
	snprintf(directory, sizeof(directory), "%s", interpreter_path);
	char *slash = strrchr(directory, '/');
	slash[slash == directory] = '\0';
	const char *below = !strncmp(directory, "/usr/", 5) ? directory + 4 : directory;
	const bool usual = !strncmp(below, "/lib", 4);
	snprintf(loader->lib, sizeof(loader->lib), "%s", usual ? below + 1 : strrchr(directory, '/') + 1);
	if (!usual && add_directory(loader, "", directory) < 0)
		return -ENOMEM;
	const char *const directories[] = {below, "/lib64", "/lib"};
	for (size_t i = usual ? 0 : 1; i < sizeof(directories) / sizeof(directories[0]); i++)
		if (add_directory(loader, "", directories[i]) < 0 || add_directory(loader, "/usr", directories[i]) < 0)
			return -ENOMEM;
	return 0;
}

static int init_musl(struct loader *loader)
{
	enum { LIST_MAX = 64 << 10 };
	/* Beside the directory of the loader. */
	_cleanup_free_ char *list = source_read(loader->source, loader->musl_path, LIST_MAX);
	const char *rest = list ? list : "/lib:/usr/local/lib:/usr/lib";
	while (*rest) {
		size_t length = strcspn(rest, ":\n");
		char path[PATH_MAX];
		if (length && length < sizeof(path)) {
			memcpy(path, rest, length);
			path[length] = '\0';
			if (add_directory(loader, "", path) < 0)
				return -ENOMEM;
		}
		rest += length + (rest[length] != '\0');
	}
	return 0;
}

int loader_init(struct loader *loader, const struct source *source, const struct elf_kind *kind,
		const char *interpreter, const char *interpreter_path)
{
	static const char musl_prefix[] = "ld-musl-";
	*loader = (struct loader){.source = source, .kind = *kind};
	const char *slash = strrchr(interpreter, '/');
	const char *name = slash ? slash + 1 : interpreter;
	loader->musl = !strncmp(name, musl_prefix, sizeof(musl_prefix) - 1);
	if (!loader->musl)
		return init_glibc(loader, interpreter_path);

	/* /lib/ld-musl-x86_64.so.1 reads /etc/ld-musl-x86_64.path; in another prefix, that prefix's. */
	const char *prefix_end = slash ? slash : interpreter;
	while (prefix_end > interpreter && *--prefix_end != '/')
		;
	if (snprintf(loader->musl_path, sizeof(loader->musl_path), "%.*s/etc/%.*s.path",
		     (int)(prefix_end - interpreter), interpreter, (int)strcspn(name, "."),
		     name) >= (int)sizeof(loader->musl_path))
		loader->musl_path[0] = '\0';
	return init_musl(loader);
}

void loader_clear(struct loader *loader)
{
	strings_clear(&loader->directories);
	strings_clear(&loader->without_variants);
	ld_cache_clear(&loader->cache);
}

void found_clear(struct found *found)
{
	free(found->items);
	*found = (struct found){0};
}
