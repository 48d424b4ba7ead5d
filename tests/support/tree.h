/* SPDX-License-Identifier: MIT */
/* Making the roots of the tests by hand, without the library. */
#ifndef TEST_TREE_H
#define TEST_TREE_H

void tree_copy(const char *from, const char *directory, const char *name);
void tree_write(const char *directory, const char *name, const char *text, unsigned mode);
void tree_directory(const char *directory, const char *name, unsigned mode);
void tree_link(const char *to, const char *directory, const char *name);
/* The absolute path of `name` in the tree; to be freed. */
char *tree_path(const char *directory, const char *name);

#endif
