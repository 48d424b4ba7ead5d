/* SPDX-License-Identifier: MIT */
/* Real programs in jails whose roots were made from nothing but their names. */
#ifndef TEST_PROGRAMS_H
#define TEST_PROGRAMS_H

#include "box.h"

/* Skips where a name is none of a program in the default PATH. */
void skip_without_program(const char *name);

/*
 * A jail whose root has these programs (names or absolute paths, ended by NULL) with what they need, and the directory
 * /work, in which everybody may write. Skips where a program, or the privilege for a jail, is missing. Closed by
 * programs_teardown(); nothing is built yet.
 */
struct box *jail_of(const char *first, ...) __attribute__((sentinel));

/*
 * A directory in which everybody may write. What the library builds belongs to root; a directory of the host, whose
 * mode is kept, is how a program gets a place to write in.
 */
void add_open_directory(viso_root *root, const char *target);

/* Builds the root, and skips where it has no /dev/null: the root of an ordinary user has no devices. */
void skip_without_null_device(struct box *box);

/*
 * argv in the jail as the root's user "user", so that one command can use what another one has made: without a user
 * each command has a uid of its own. Input is null, output captured.
 */
viso_command *command_of(const char *const *argv);

/* Runs the command, which is released. It must exit with 0, and its output match the pattern (fnmatch(3)). */
void assert_output(struct box *box, viso_command *command, const char *pattern);

int programs_teardown(void **state);

#endif
