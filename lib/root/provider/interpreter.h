/* SPDX-License-Identifier: MIT */
/* What the interpreters of Perl, Lua, Ruby and JavaScript need beside their libraries. */
#ifndef ROOT_INTERPRETER_H
#define ROOT_INTERPRETER_H

#include "root/closure/closure.h"

/*
 * Adds the modules of the interpreter at `host` (a path without links) where it is one. `closure` is that of the
 * program. 0, or a negative errno with the error set.
 */
int perl_add(struct closure *closure, const char *host);
int lua_add(struct closure *closure, const char *host);
int ruby_add(struct closure *closure, const char *host);
int node_add(struct closure *closure, const char *host);

#endif
