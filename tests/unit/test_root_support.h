/* SPDX-License-Identifier: MIT */
/* What the tests of roots share: commands, files, looking into a root as a program inside would see it. */
#ifndef TEST_ROOT_SUPPORT_H
#define TEST_ROOT_SUPPORT_H

#include "support.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <virtiso.h>

/* Every test has a TMPDIR of its own, so that it can see what is left; it fails where something is. */
extern char *root_scratch;
int root_set_up(void **state);
int root_tear_down(void **state);

/* A root that is built of the program and what it needs. */
viso_root *root_with_program(const char *program);

/* What the root has at the path, and that it has nothing there. */
void root_assert_file(viso_root *root, const char *path, const char *contents);
void root_assert_no_entry(viso_root *root, const char *path);

/* Runs a shell command made by the format; its exit status. */
int root_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The output of a shell command; to be freed. */
char *root_shell_output(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether a C compiler can be run. */
bool root_have_compiler(void);

/* A formatted path; to be freed. */
char *root_path_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

void root_write_file(const char *path, const void *data, size_t size, mode_t mode);
void root_write_text(const char *path, const char *text, mode_t mode);
char *root_read_file(const char *path, size_t *out_size);

/* Opens a path as a program in the root would. A fd, or -1 with errno. */
int root_open_inside(const char *root, const char *path, int flags);

/* Whether it is a regular file inside. */
bool root_has_file(const char *root, const char *path);

/* lstat() of an entry whose parents inside may be links. */
int root_lstat(const char *root, const char *path, struct stat *st);

/* Whether the file inside has the contents of the host's file. */
bool root_same_file(const char *root, const char *path, const char *host);

/* Runs a program of the root under a plain chroot, with its output to be freed; the exit status. Needs root. */
int root_chroot_run(const char *root, char **out_output, const char *const *argv);

/* Runs `function` in a forked child, as uid and gid 65534 where this is root and `as_user`. What it returned; 255 where
 * it crashed. */
int root_in_child(bool as_user, int (*function)(void *argument), void *argument);

/* The number of directories of the library's own that are left in `directory`. */
int root_count_left(const char *directory);

#endif
