/* SPDX-License-Identifier: MIT */
/* What the rules for language runtimes share: adding what a program finds by itself, where it is there. */
#ifndef ROOT_RUNTIME_H
#define ROOT_RUNTIME_H

#include <limits.h>
#include <stdbool.h>

#include "root/closure/closure.h"
#include "root/tree.h"

/* What stands behind the last slash. */
const char *runtime_name(const char *path);

bool runtime_ends_with(const char *name, const char *end);

/*
 * Whether `name` is `base`, or `base` with a version, as "lua" and "lua5.4" are "lua"; `out_version`, where not NULL,
 * is then the version in `name`, or "".
 */
bool runtime_is_named(const char *name, const char *base, const char **out_version);

/* The directory above that of the program: "/usr" for "/usr/bin/perl", and also for "/bin/perl". */
void runtime_prefix(const char *host, char *out);

/* Makes a path into PATH_MAX bytes; false where it is longer. */
bool runtime_path(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds a file, with the links that lead to it. 1; 0 where there is none; or a negative errno with the error set. */
int runtime_add_file(struct closure *closure, const char *path);

/*
 * Adds a directory with all below it but what `leave_out`, which may be NULL, names; the files that links in it lead
 * to; and the libraries that shared objects in it need. 1; 0 where there is no directory; or a negative errno with the
 * error set.
 */
int runtime_add_tree(struct closure *closure, const char *path, tree_filter leave_out);

/*
 * Calls runtime_add_tree() for each of the relative `names` (NULL-terminated) in the directories of a prefix that hold
 * a runtime's modules: the multiarch directory, lib64, lib and share, and those of PREFIX/local. The number that were
 * there, or a negative errno with the error set.
 */
int runtime_add_libraries(struct closure *closure, const char *prefix, const char *const *names, tree_filter leave_out);

/* Adds the libraries that a file needs which is loaded later. One that is no usable ELF file is passed over. */
int runtime_add_module(struct closure *closure, const char *path);

/*
 * Adds a program that this one starts, with everything that it needs, where it is there. 1, 0, or a negative errno with
 * the error set.
 */
int runtime_add_helper(struct closure *closure, const char *path);

/*
 * Adds the libraries that the executable ELF files directly in a directory need, but for those that `leave_out` names:
 * for programs that this one starts, and whose files were added. 0, or a negative errno with the error set.
 */
int runtime_add_executables(struct closure *closure, const char *directory, tree_filter leave_out);

/*
 * The names in a directory, sorted; none where there is no such directory that can be read. 0, or a negative errno with
 * the error set.
 */
int runtime_read_names(struct closure *closure, const char *directory, struct strings *names);

#endif
