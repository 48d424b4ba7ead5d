/* SPDX-License-Identifier: MIT */
/* Making one entry of a tree. */
#ifndef ROOT_MAKER_H
#define ROOT_MAKER_H

#include "root/build/copy.h"
#include "root/build/store.h"
#include "root/manifest.h"
#include "root/record/inside.h"
#include "root/record/record.h"

struct maker {
	const struct settings *settings;
	struct progress *progress;
	struct store *store; /* or NULL */
	struct copier copier;
	struct directory_cache tree;    /* where entries are made */
	struct directory_cache source;  /* where FILEs come from */
	struct directory_cache scratch; /* where those of a base come from */
	int control;       /* the directory in which files are made before they get their names; -1: there is none */
	bool is_fresh;     /* nothing is there yet: files are made in place */
	bool is_kept;      /* what is made is recorded, with sums */
	size_t restricted; /* directories whose modes wait until they are filled */
	uid_t uid;         /* the caller's */
	gid_t gid;
};

void maker_begin(struct maker *maker, const struct manifest *manifest, const struct settings *settings, int root);
void maker_end(struct maker *maker);

/*
 * Makes an entry, in place of what is there (a directory must be empty), and completes its record. `record` has the
 * plan's part already; its type is 0 afterwards where the root does without the entry. 0, or a negative errno with the
 * error set.
 */
int maker_make(struct maker *maker, const struct manifest_entry *entry, struct record_entry *record);

/* Gives the directories the modes that would have been in our own way. */
int maker_restrict(struct maker *maker, struct manifest_entry *const *sorted, size_t count);

/* Where a FILE comes from. */
struct directory_cache *maker_source(struct maker *maker, const struct manifest_entry *entry);

/* The status of a FILE's source. 0, or a negative errno with the error set. */
int maker_stat_source(struct maker *maker, const struct manifest_entry *entry, struct stat *st);

/* The mode that a file of the host gets. */
unsigned maker_mode(const struct settings *settings, const struct manifest_entry *entry, const struct stat *source);

/* Whether a change of owner failed since the caller may not give files away (EPERM), or has no such id (EINVAL): then
 * they stay the caller's. */
bool may_keep_owner(int error);

/* Whether a directory must stay writable for us while it is filled. */
bool maker_is_restricted(unsigned mode);

#endif
