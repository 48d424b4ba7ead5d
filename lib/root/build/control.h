/* SPDX-License-Identifier: MIT */
/*
 * The library's own directory `.viso` in a root with a name: the record of what was built, a lock, and while a build or
 * update runs the list of what it intends to make. Both lists together say what is ours, wherever it was interrupted.
 */
#ifndef ROOT_CONTROL_H
#define ROOT_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "root/build/store.h"
#include "root/record/record.h"

#define CONTROL_NAME ".viso"
/* Where an update makes a file of the tree before it gets its name. */
#define CONTROL_NEW "new"

struct control {
	int fd; /* of the directory; -1 while closed */
	int lock;
	const char *root; /* the root's path, for errors */
};

/*
 * Opens the directory in the root, and waits for the lock; with `make` it is made where it is missing. 0, or a negative
 * errno with the error set: -ENOENT it is not there, or the root went away while we waited, -ECANCELED.
 */
int control_open(struct control *control, int root, const char *path, bool make, const atomic_bool *cancelled);
void control_close(struct control *control);

/* Whether it is there. 1, 0 or a negative errno, without setting the error. */
int control_exists(int root);

/* Whether there is a record, or a list of intentions. */
bool control_is_used(const struct control *control);

/* The lists. 0, or a negative errno with the error set; -ENOENT where there is none. */
int control_read(const struct control *control, viso_manifest **out);
int control_read_intention(const struct control *control, viso_manifest **out);

/* The record of a root, without waiting for who works in it. 0, or as above. */
int control_read_record(int root, const char *path, viso_manifest **out);

/* Puts the list on the disk. 0 or a negative errno with the error set. */
int control_intend(const struct control *control, const viso_manifest *record);

/* The work is done: this is the record now. The store, or NULL, may share it. 0 or a negative errno with the error set.
 */
int control_commit(const struct control *control, const viso_manifest *record, struct store *store);

/* Takes back what control_open() made, where there is nothing else in it. */
void control_drop(const struct control *control, int root);

/* Removes the directory. 0 or a negative errno, without setting the error. */
int control_remove(struct control *control, int root);

#endif
