/* SPDX-License-Identifier: MIT */
/*
 * viso-jail: put a jail together, keep it up to date, and run programs in it.
 *
 *   main.c      the commands
 *   recipe.c    options that say what the jail contains
 *   exec.c      running a program in it
 *   print.c     lists, as text and as JSON
 *   progress.c  the bar
 */
#ifndef VISO_JAIL_H
#define VISO_JAIL_H

#include <stdbool.h>
#include <stdio.h>
#include <virtiso.h>

enum { EXIT_OWN_ERROR = 125 };

/* What the library says about the last call that failed, as JSON where that is wanted; or `message`. Both return -1. */
int fail(void);
int complain(const char *message, const char *what);

/* recipe.c: reads options up to the first other argument, argv[optind]. 0 or -1. */
struct recipe {
	viso_root *root;
	bool json;
	bool quiet;
	bool is_empty; /* nothing was said about the contents */
};
int recipe_parse(struct recipe *recipe, int argc, char **argv);
extern const char recipe_usage[];

/* exec.c: DIR and what follows. The exit code. */
int exec_in_jail(int argc, char **argv);
extern const char exec_usage[];

/* print.c */
enum print_what { PRINT_ALL, PRINT_DIFFERENCES };
void print_manifest(const viso_manifest *manifest, enum print_what what, bool json);
void print_count(const char *name, int count, const char *directory, bool json);
void print_file(const char *file, const char *directory);
void print_error(void);
/* What a terminal would obey is printed as a question mark, and what is no UTF-8. */
void print_safely(FILE *out, const char *string);

/* progress.c: draws a bar on standard error while the root is built, where that is a terminal. 0 or -1. */
int progress_show(viso_root *root);
void progress_end(void);

#endif
