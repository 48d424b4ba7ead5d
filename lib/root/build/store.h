/* SPDX-License-Identifier: MIT */
/*
 * A content-addressed store that roots share. Its objects are files, named by SHA-256, mode, time and owner, since all
 * hard links to a file have these in common, and symbolic links, named by text and owner. An index says which file of
 * the host has which contents, so that the second root needs no hashing.
 */
#ifndef ROOT_STORE_H
#define ROOT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "root/build/copy.h"
#include "root/record/sum.h"

struct store;

/* Whether a store is or can be at a path, which is made where it is missing. 0 or a negative errno with the error set.
 */
int store_check(const char *path);

/* Opens it for building; prune waits until it is closed. 0, or a negative errno with the error set: -EXDEV it is not on
 * the file system of the directory `root`. */
int store_open(const char *path, int root, struct store **out);
void store_close(struct store *store);

/* What an object is. */
struct store_key {
	char sum[SUM_TEXT];
	unsigned mode;
	struct timespec time;
	uid_t uid;
	gid_t gid;
};

/* Whether files with this mode and of this owner can be shared: nobody else may write to them. */
bool store_takes(unsigned mode, uid_t uid);

/* The sum of a file of the host, where the index has it. */
bool store_find_sum(struct store *store, const struct stat *source, char sum[SUM_TEXT]);

/* Remembers it. */
void store_note_sum(struct store *store, const struct stat *source, const char *sum);

/*
 * Makes `name` in `directory` of an object: by sharing its blocks where `copier` can, else as a hard link, as the
 * copier's method allows. 1 as a link, 2 by blocks, 0 there is no such object or it is damaged, or a negative errno.
 */
int store_place(struct store *store, struct copier *copier, const struct store_key *key, off_t size, int directory,
		const char *name);

/* A new, empty file for an object, open for writing, with its name for store_insert(). A fd or a negative errno. */
int store_begin(struct store *store, char name[24]);

/* Makes an object of it, or drops it where there is one. 0 or a negative errno. */
int store_insert(struct store *store, const char *name, const struct store_key *key, off_t size);
void store_drop(struct store *store, const char *name);

/*
 * Makes a symbolic link in `directory` as a hard link to one in the store, which has the same text and owner. 1 done, 0
 * not possible: then it can be made without the store.
 */
int store_place_link(struct store *store, const char *text, uid_t uid, gid_t gid, int directory, const char *name);

/* Puts a text there and makes a hard link to it. 1 done, 0 not possible. */
int store_place_text(struct store *store, const char *text, size_t size, int directory, const char *name);

#endif
