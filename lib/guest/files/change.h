/* SPDX-License-Identifier: MIT */
/*
 * Changes of what paths name. They are made in the topmost layer only; what lies below is copied up before, and hidden
 * where it is taken away. All return 0 or a negative errno as of the call of the same name.
 */
#ifndef GUEST_FILES_CHANGE_H
#define GUEST_FILES_CHANGE_H

#include "guest/files/view.h"

/* A name in a directory: what it is now, if anything. */
struct place {
	struct spot directory;
	struct spot child; /* child.top is -1 where nothing has the name */
	char name[NAME_MAX + 1];
	bool slash; /* the path ended with one */
};

/* To be freed by place_free(), also on failure. NULL with `*error`. */
struct place *place_find(struct program *program, int directory, const char *path, int *error);
/* The same, of a canonical path. */
struct place *place_of(struct program *program, const char *path, int *error);
void place_free(struct place *place);

/* Makes what is not there; place->child is that afterwards. `making` lacks the owner. */
int change_make(struct program *program, struct place *place, struct making making);
int change_remove(struct program *program, struct place *place, bool is_directory);
int change_rename(struct program *program, struct place *from, struct place *to, unsigned flags);
int change_link(struct program *program, struct spot *spot, struct place *to);
int change_set(struct program *program, struct spot *spot, const struct change *change);

/* Before it is written to: makes it one of the topmost layer. `empty`: its contents do not matter. */
int change_own(struct program *program, struct spot *spot, bool empty);
int change_own_directory(struct program *program, struct spot *spot);

/* chmod(2), chown(2) and utimensat(2) of what this is the status of. */
int change_check_owner(const struct program *program, const struct stat *st, const struct change *change);

#endif
