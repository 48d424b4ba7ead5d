/* SPDX-License-Identifier: MIT */
/* The directory on the host in which a root is built: the library's own, or one that the caller named. */
#ifndef ROOT_PLACE_H
#define ROOT_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

struct place {
	int fd;       /* the root directory while it is being built, else -1 */
	char *path;   /* of the root directory */
	char *own;    /* the directory of the library's own around it; NULL for a named one */
	bool existed; /* a named directory that was there before */
	bool is_ours; /* a named directory in which there was nothing of others when we locked it */
	mode_t mode;  /* what it had then */
	dev_t device; /* which directory it is */
	ino_t inode;
};

/* Makes a directory of the library's own, which is removed even when the host program is killed. */
int place_make_own(struct place *place);

/* Whether a root can be built or updated at a path; building looks again. 0, or a negative errno with the error set. */
int place_check_named(const char *path);

/* Makes a named directory, or takes one that is there, which is empty or was built by the library. */
int place_make_named(struct place *place, const char *path);

/* Whether nothing but the library's own directory is in it. 0, or -ENOTEMPTY and others with the error set. */
int place_check_empty(const struct place *place);

/* Removes all from a named directory in which there is nothing of others, which then is nobody's. Keeps the error. */
void place_empty(struct place *place);

/* Building has failed: removes what was made. A named directory that existed is there again, empty. Keeps the error. */
void place_undo(struct place *place);

/* The root is no longer needed: removes it where it is the library's own, and frees memory. */
void place_remove(struct place *place);

/* Frees memory only. */
void place_forget(struct place *place);

/* Opens it as an O_PATH fd. A fd, or a negative errno with the error set; -ENOENT where something else is at its path.
 */
int place_open(const struct place *place);

#endif
