/* SPDX-License-Identifier: MIT */
/* A dynamic ELF program with its loader and libraries, and the libraries of modules that it may load. */
#ifndef ROOT_CLOSURE_H
#define ROOT_CLOSURE_H

#include "root/closure/library_search.h"
#include "root/manifest.h"

struct closure {
	struct manifest *manifest;
	struct objects objects;
	struct loader loader;
	struct scope scope;
	size_t program_count; /* how much of the scope the program itself loads; 0 for a static one */
	bool tolerant;        /* a missing library is logged, and is no error */
	/* How the program was asked for; for the providers. */
	const char *named;      /* its path, with the links that lead to it */
	bool for_script;        /* as the interpreter of a script */
	unsigned providers_off; /* bit 1 << viso_provider */
};

void closure_init(struct closure *closure, struct manifest *manifest);
void closure_clear(struct closure *closure);

/*
 * Adds what the ELF program at `path` needs: loader, libraries, the loader's settings. `path` is in the source, without
 * links on the way. The program itself is not added. 0, or a negative errno with the error set.
 */
int closure_add_program(struct closure *closure, const char *path);

/*
 * Adds the libraries of a module that the program may load while it runs, not the module. One that is missing is logged
 * only: the program starts without this module. 0, or a negative errno with the error set.
 */
int closure_add_module(struct closure *closure, const char *path);

/*
 * Adds the library that dlopen(name) gives `caller`, an object of this closure, or the program where it is NULL; with
 * its own libraries, of which none may be missing. 0; 1 where there is no such library, without setting the error; or a
 * negative errno with the error set.
 */
int closure_add_dlopened(struct closure *closure, struct object *caller, const char *name);

/*
 * In an empty closure: adds the libraries of a module as a loader like that of `program` finds them, where nothing of
 * this program is added. What is missing is logged; where the two are for different machines, nothing is added. 0, or a
 * negative errno with the error set.
 */
int closure_add_loose(struct closure *closure, const char *program, const char *path);

/* A library that was read and whose soname begins so; NULL where there is none. */
struct object *closure_find(const struct closure *closure, const char *soname_prefix);

/* Adds a file of the source at its own path, with the links that lead to it. 0, or a negative errno with the error set.
 */
int closure_take_file(struct closure *closure, const char *path);

#endif
