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
	size_t program_count; /* how much of the scope the program itself loads */
	bool tolerant;        /* a missing library is logged, and is no error */
	/* How the program was asked for; for the providers. */
	const char *named;      /* its path, with the links that lead to it */
	bool for_script;        /* as the interpreter of a script */
	unsigned providers_off; /* bit 1 << viso_provider */
};

void closure_init(struct closure *closure, struct manifest *manifest);
void closure_clear(struct closure *closure);

/*
 * Adds what the ELF program at `path` needs: loader, libraries, the loader's settings. `path` is on the host, without
 * links on the way. The program itself is not added. 0, or a negative errno with the error set.
 */
int closure_add_program(struct closure *closure, const char *path);

/*
 * Adds the libraries of a module that the program may load while it runs. One that is missing is logged only: the
 * program starts without this module. 0, or a negative errno with the error set.
 */
int closure_add_module(struct closure *closure, const char *path);

#endif
