/* SPDX-License-Identifier: MIT */
#include "root/closure/closure.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "root/closure/collected.h"
#include "root/closure/machine.h"
#include "root/path.h"
#include "root/source.h"
#include "root/tree.h"

void closure_init(struct closure *closure, struct manifest *manifest)
{
	*closure = (struct closure){.manifest = manifest, .objects.source = manifest->source};
}

void closure_clear(struct closure *closure)
{
	objects_clear(&closure->objects);
	loader_clear(&closure->loader);
	free(closure->scope.items);
}

static int scope_push(struct scope *scope, struct object *object, const char *name, int loader)
{
	if (scope->count == scope->capacity) {
		size_t capacity = scope->capacity ? 2 * scope->capacity : 32;
		struct loaded *items = realloc(scope->items, capacity * sizeof(*items));
		if (!items)
			return error_memory();
		scope->items = items;
		scope->capacity = capacity;
	}
	scope->items[scope->count++] = (struct loaded){.object = object, .name = name, .loader = loader};
	return 0;
}

static bool is_loaded(const struct scope *scope, const char *name)
{
	for (size_t i = 0; i < scope->count; i++) {
		const struct loaded *loaded = &scope->items[i];
		const char *soname = loaded->object->elf.soname;
		if ((loaded->name && !strcmp(loaded->name, name)) || (soname && !strcmp(soname, name)))
			return true;
	}
	return false;
}

/* A file of the source, with the links that lead to it. */
static int take(struct manifest *manifest, const char *path, struct path_end *end)
{
	int r = path_take(manifest, path, end);
	return r < 0 ? r : manifest_add_file(manifest, end->target, end->host, MANIFEST_KEEP);
}

int closure_take_file(struct closure *closure, const char *path)
{
	struct path_end end;
	return take(closure->manifest, path, &end);
}

static int fail_needed(struct closure *closure, int error, const char *name, const char *needer)
{
	const bool foreign = closure->manifest->source->path;
	const char *what = error == EACCES ? "cannot be read"
			   : foreign       ? "is missing in the tree that the root is made from"
					   : "is missing on this host; install it";
	if (!closure->tolerant)
		return error_fail(VISO_STAGE_ROOT, error, name, "the library %s, which %s needs, %s", name, needer,
				  what);
	log_warning("the library %s, which the module %s needs, %s", name, needer, what);
	return 0;
}

/*
 * The path of a library that has no links in its directory: two programs can reach one directory by several paths. Its
 * last component stays, since $ORIGIN of the library is the directory of the link.
 */
static const char *canonical(const struct manifest *manifest, const char *path, char *out)
{
	const char *name = strrchr(path, '/') + 1;
	char directory[PATH_MAX];
	if (name - path >= PATH_MAX)
		return path;
	memcpy(directory, path, (size_t)(name - path));
	directory[name - path] = '\0';
	if (manifest_follow(manifest, directory, true, out) < 0 || !out[1] || path_push(out, name, strlen(name)) < 0)
		return path;
	return out;
}

/* Takes one of the files that the loader might take for `name`. */
static int take_library(struct closure *closure, const char *name, const struct object *object, bool is_private)
{
	struct manifest *manifest = closure->manifest;
	const struct elf_kind *kind = &closure->loader.kind;
	struct path_end end;
	char path[PATH_MAX];
	int r = take(manifest, object->path, &end);
	if (r < 0 || closure->loader.musl || !manifest->collected || strchr(name, '/'))
		return r;
	struct library library = {
		.name = (char *)name,
		.path = (char *)(is_private ? canonical(manifest, object->path, path) : object->path),
		.flags = machine_cache_flags(kind),
		.big_endian = kind->order == ELFDATA2MSB,
		.is_private = is_private,
	};
	return collected_add(manifest->collected, &library);
}

static int load_found(struct closure *closure, int needer, const char *name, const struct found *found)
{
	int r = 0;
	const char *before =
		manifest_set_reason(closure->manifest, "library of %s", closure->scope.items[needer].object->path);
	for (size_t i = 0; r >= 0 && i < found->count; i++) {
		r = take_library(closure, name, found->items[i], found->is_private);
		if (r >= 0)
			r = scope_push(&closure->scope, found->items[i], name, needer);
	}
	manifest_restore_reason(closure->manifest, before);
	return r;
}

static int load_needed(struct closure *closure, int needer, const char *name, struct found *found)
{
	if (is_loaded(&closure->scope, name) || loader_is_built_in(&closure->loader, name))
		return 0;
	int r = library_search(&closure->loader, &closure->objects, &closure->scope, needer, name, found);
	if (r == -ENOENT || r == -EACCES)
		return fail_needed(closure, -r, name, closure->scope.items[needer].object->path);
	return r < 0 ? r : load_found(closure, needer, name, found);
}

/* Breadth first, as the loader does it: which library an object gets can depend on who asked first. */
static int load_all(struct closure *closure, size_t from)
{
	_cleanup_(found_clear) struct found found = {0};
	for (size_t i = from; i < closure->scope.count; i++) {
		const struct elf *elf = &closure->scope.items[i].object->elf;
		for (size_t j = 0; j < elf->needed_count; j++) {
			int r = load_needed(closure, (int)i, elf->needed[j], &found);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int open_object(struct closure *closure, const char *path, const struct elf_kind *kind,
		       struct object **out_object)
{
	int r = objects_open(&closure->objects, path, kind, out_object);
	if (r == 1)
		return error_fail(VISO_STAGE_ELF, ENOEXEC, path,
				  "%s is for another kind of machine than the program that it belongs to", path);
	if (r == -ENOENT || r == -EACCES)
		return error_fail(VISO_STAGE_ROOT, -r, path,
				  r == -ENOENT ? "there is no file %s" : "%s cannot be read: permission denied", path);
	return r;
}

static int take_interpreter(struct closure *closure, const struct object *program)
{
	const char *interpreter = program->elf.interpreter;
	struct manifest *manifest = closure->manifest;
	struct object *object = NULL;
	struct path_end end;
	int r;
	const char *before = manifest_set_reason(manifest, "loader of %s", program->path);
	if (interpreter[0] != '/')
		r = error_fail(VISO_STAGE_ROOT, ENOENT, interpreter, "'%s' is not an absolute path", interpreter);
	else
		r = take(manifest, interpreter, &end);
	manifest_restore_reason(manifest, before);
	if (r >= 0)
		r = open_object(closure, end.host, &program->elf.kind, &object);
	if (r < 0)
		return error_fail(viso_error_stage(), -r, viso_error_object(), "the loader of %s: %s", program->path,
				  viso_error_message());
	r = scope_push(&closure->scope, object, strrchr(interpreter, '/') + 1, 0);
	return r < 0 ? r : loader_init(&closure->loader, manifest->source, &program->elf.kind, interpreter, end.host);
}

/*
 * The directories that ldconfig would look into. Its cache is written when the whole root is known, see
 * ld_cache_write.h.
 */
static int take_settings(struct closure *closure)
{
	static const char directory[] = "/etc/ld.so.conf.d";
	struct manifest *manifest = closure->manifest;
	const char *file = closure->loader.musl ? closure->loader.musl_path : "/etc/ld.so.conf";
	struct path_end end;
	int r = 0;
	const char *before = manifest_set_reason(manifest, "settings of the loader");
	if (source_has_file(manifest->source, file))
		r = take(manifest, file, &end);
	if (r >= 0 && !closure->loader.musl && source_has_directory(manifest->source, directory)) {
		r = path_take(manifest, directory, &end);
		if (r >= 0)
			r = tree_add(manifest, end.host, end.target, NULL, MANIFEST_KEEP);
	}
	manifest_restore_reason(manifest, before);
	return r;
}

int closure_add_program(struct closure *closure, const char *path)
{
	struct object *program = NULL;
	int r = open_object(closure, path, NULL, &program);
	if (r < 0)
		return r;
	if (!program->elf.interpreter) {
		if (!program->elf.needed_count)
			return 0;
		return error_fail(VISO_STAGE_ELF, ENOEXEC, path,
				  "%s is a shared library and no program: it needs libraries, and names no loader",
				  path);
	}
	r = scope_push(&closure->scope, program, NULL, -1);
	if (r >= 0)
		r = take_interpreter(closure, program);
	if (r >= 0)
		r = load_all(closure, 0);
	if (r >= 0)
		r = take_settings(closure);
	if (r >= 0 && closure->manifest->collected)
		r = collected_set_program(closure->manifest->collected, path);
	closure->program_count = closure->scope.count;
	return r;
}

int closure_add_module(struct closure *closure, const char *path)
{
	struct object *module = NULL;
	/* Each module by itself: what another one has loaded may not be there when this one is loaded. */
	closure->scope.count = closure->program_count;
	if (!closure->program_count)
		return 0;
	int r = open_object(closure, path, &closure->loader.kind, &module);
	if (r >= 0)
		r = scope_push(&closure->scope, module, NULL, 0);
	if (r < 0)
		return r;
	closure->tolerant = true;
	r = load_all(closure, closure->program_count);
	closure->tolerant = false;
	return r;
}

/* The loader that a program names, without adding anything. 0; 1 where it has none; or a negative errno. */
static int learn_loader(struct closure *closure, const char *program)
{
	char interpreter[PATH_MAX];
	const struct source *source = closure->manifest->source;
	struct object *object = NULL;
	int r = objects_open(&closure->objects, program, NULL, &object);
	if (r == -ENOENT || r == -EACCES || r == -ENOEXEC)
		return 1;
	if (r < 0)
		return r;
	if (!object->elf.interpreter || source_realpath(source, object->elf.interpreter, interpreter) < 0)
		return 1;
	return loader_init(&closure->loader, source, &object->elf.kind, object->elf.interpreter, interpreter);
}

int closure_add_loose(struct closure *closure, const char *program, const char *path)
{
	struct object *module = NULL;
	int r = learn_loader(closure, program);
	if (r == 0)
		r = objects_open(&closure->objects, path, &closure->loader.kind, &module);
	if (r != 0)
		return r < 0 && r != -ENOENT && r != -EACCES ? r : 0;
	r = scope_push(&closure->scope, module, NULL, -1);
	closure->tolerant = true;
	if (r >= 0)
		r = load_all(closure, 0);
	closure->tolerant = false;
	closure->program_count = closure->scope.count;
	return r;
}

/* Where the caller of dlopen() stands in the scope; what is no part of the program is put behind it. */
static int find_caller(struct closure *closure, struct object *caller)
{
	closure->scope.count = closure->program_count;
	if (!caller)
		return 0;
	for (size_t i = 0; i < closure->program_count; i++)
		if (closure->scope.items[i].object == caller)
			return (int)i;
	int r = scope_push(&closure->scope, caller, NULL, 0);
	return r < 0 ? r : (int)closure->program_count;
}

int closure_add_dlopened(struct closure *closure, struct object *caller, const char *name)
{
	_cleanup_(found_clear) struct found found = {0};
	if (!closure->program_count)
		return 1;
	int needer = find_caller(closure, caller);
	if (needer < 0)
		return needer;
	if (is_loaded(&closure->scope, name) || loader_is_built_in(&closure->loader, name))
		return 0;
	size_t from = closure->scope.count;
	int r = library_search(&closure->loader, &closure->objects, &closure->scope, needer, name, &found);
	if (r == -ENOENT || r == -EACCES)
		return 1;
	if (r >= 0)
		r = load_found(closure, needer, name, &found);
	return r < 0 ? r : load_all(closure, from);
}

struct object *closure_find(const struct closure *closure, const char *soname_prefix)
{
	size_t length = strlen(soname_prefix);
	for (size_t i = 0; i < closure->objects.count; i++) {
		const char *soname = closure->objects.items[i]->elf.soname;
		if (soname && !strncmp(soname, soname_prefix, length))
			return closure->objects.items[i];
	}
	return NULL;
}
