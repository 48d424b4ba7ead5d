/* SPDX-License-Identifier: MIT */
/* Where the loader of a program finds its libraries: ld.so(8), and ld-musl's rules. */
#ifndef ROOT_LIBRARY_SEARCH_H
#define ROOT_LIBRARY_SEARCH_H

#include <limits.h>
#include <stdbool.h>

#include "core/strings.h"
#include "root/closure/ld_cache.h"
#include "root/closure/objects.h"

struct source;

/* How one loader searches. */
struct loader {
	const struct source *source;
	struct elf_kind kind; /* of the program, and so of all its libraries */
	bool musl;
	bool cache_loaded;
	char lib[PATH_MAX];              /* what $LIB stands for, such as "lib/x86_64-linux-gnu" */
	char musl_path[PATH_MAX];        /* the file that lists the directories */
	struct strings directories;      /* searched last */
	struct strings without_variants; /* directories that have no glibc-hwcaps: asked once */
	struct ld_cache cache;
};

/* What the loader would have loaded, in its order: the program, its libraries, their libraries. */
struct loaded {
	struct object *object;
	const char *name; /* by which it was asked for; NULL for the program */
	int loader;       /* index of what asked for it; -1 for the program */
};

struct scope {
	struct loaded *items;
	size_t count;
	size_t capacity;
};

/* Every file that the loader might take, depending on the processor that it runs on. */
struct found {
	struct object **items;
	size_t count;
	size_t capacity;
	bool is_private; /* by a path in who needs it, not where all programs look */
};

/*
 * `kind` is the program's, `interpreter` is the program's PT_INTERP, `interpreter_path` the same file in the source
 * without links. 0 or a negative errno with the error set.
 */
int loader_init(struct loader *loader, const struct source *source, const struct elf_kind *kind,
		const char *interpreter, const char *interpreter_path);
void loader_clear(struct loader *loader);
void found_clear(struct found *found);

/* Whether musl's loader provides this library itself, without a file. */
bool loader_is_built_in(const struct loader *loader, const char *name);

/*
 * Finds the library `name`, which the object at index `needer` of the scope needs. 0; -ENOENT, or -EACCES where one is
 * there but cannot be read, without setting the error; or another negative errno with the error set.
 */
int library_search(struct loader *loader, struct objects *objects, const struct scope *scope, int needer,
		   const char *name, struct found *out_found);

#endif
