/* SPDX-License-Identifier: MIT */
#include "root/closure/closure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "root/path.h"
#include "root/tree.h"

void closure_init(struct closure *closure, struct manifest *manifest)
{
	*closure = (struct closure){.manifest = manifest};
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

/* A file of the host, with the links that lead to it. */
static int take_file(struct manifest *manifest, const char *path, char *out_host)
{
	struct path_end end;
	int r = path_take(manifest, path, &end);
	if (r < 0)
		return r;
	if (out_host)
		strcpy(out_host, end.host);
	return manifest_add_file(manifest, end.target, end.host, MANIFEST_KEEP);
}

static int fail_needed(struct closure *closure, int error, const char *name, const char *needer)
{
	const char *what = error == EACCES ? "cannot be read" : "is missing on this host; install it";
	if (!closure->tolerant)
		return error_fail(VISO_STAGE_ROOT, error, name, "the library %s, which %s needs, %s", name, needer,
				  what);
	log_warning("the library %s, which the module %s needs, %s", name, needer, what);
	return 0;
}

static int load_needed(struct closure *closure, int needer, const char *name, struct found *found)
{
	if (is_loaded(&closure->scope, name) || loader_is_built_in(&closure->loader, name))
		return 0;
	int r = library_search(&closure->loader, &closure->objects, &closure->scope, needer, name, found);
	if (r == -ENOENT || r == -EACCES)
		return fail_needed(closure, -r, name, closure->scope.items[needer].object->path);
	for (size_t i = 0; r >= 0 && i < found->count; i++) {
		r = take_file(closure->manifest, found->items[i]->path, NULL);
		if (r >= 0)
			r = scope_push(&closure->scope, found->items[i], name, needer);
	}
	return r;
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

static int open_object(struct closure *closure, const char *path, struct object **out_object)
{
	int r = objects_open(&closure->objects, path, out_object);
	if (r == 1)
		return error_fail(VISO_STAGE_ELF, ENOEXEC, path, "%s is an ELF file for another kind of machine", path);
	if (r == -ENOENT || r == -EACCES)
		return error_fail(VISO_STAGE_ROOT, -r, path,
				  r == -ENOENT ? "there is no file %s" : "%s cannot be read: permission denied", path);
	return r;
}

static int take_interpreter(struct closure *closure, const struct object *program)
{
	const char *interpreter = program->elf.interpreter;
	struct object *object = NULL;
	char host[PATH_MAX];
	int r;
	if (interpreter[0] != '/')
		r = error_fail(VISO_STAGE_ROOT, ENOENT, interpreter, "'%s' is not an absolute path", interpreter);
	else
		r = take_file(closure->manifest, interpreter, host);
	if (r >= 0)
		r = open_object(closure, host, &object);
	if (r < 0)
		return error_fail(viso_error_stage(), -r, viso_error_object(), "the loader of %s: %s", program->path,
				  viso_error_message());
	r = scope_push(&closure->scope, object, strrchr(interpreter, '/') + 1, 0);
	return r < 0 ? r : loader_init(&closure->loader, interpreter, host);
}

/* So that the loader finds in the root what it finds here. */
static int take_settings(struct manifest *manifest, const struct loader *loader)
{
	static const char directory[] = "/etc/ld.so.conf.d";
	const char *const files[] = {"/etc/ld.so.cache", "/etc/ld.so.conf", NULL};
	const char *const musl_files[] = {loader->musl_path, NULL};
	struct stat st;
	struct path_end end;
	int r = 0;
	for (const char *const *file = loader->musl ? musl_files : files; r >= 0 && *file; file++)
		if (!stat(*file, &st) && S_ISREG(st.st_mode))
			r = take_file(manifest, *file, NULL);
	if (r < 0 || loader->musl || stat(directory, &st) < 0 || !S_ISDIR(st.st_mode))
		return r;
	r = path_take(manifest, directory, &end);
	return r < 0 ? r : tree_add(manifest, end.host, end.target, NULL, MANIFEST_KEEP);
}

int closure_add_program(struct closure *closure, const char *path)
{
	struct object *program = NULL;
	int r = open_object(closure, path, &program);
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
		r = take_settings(closure->manifest, &closure->loader);
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
	int r = open_object(closure, path, &module);
	if (r >= 0)
		r = scope_push(&closure->scope, module, NULL, 0);
	if (r < 0)
		return r;
	closure->tolerant = true;
	r = load_all(closure, closure->program_count);
	closure->tolerant = false;
	return r;
}
