/* SPDX-License-Identifier: MIT */
/* The inside of a viso_manifest: what lies in a root, or shall lie there, sorted, as a file can keep it. */
#ifndef ROOT_RECORD_H
#define ROOT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <virtiso/manifest.h>

#include "core/handle.h"
#include "root/record/sum.h"

/* Of a capability in the file system, see capabilities(7): VFS_CAP_REVISION_3 has 24 bytes. */
enum { RECORD_CAPABILITY_MAX = 24 };

struct record_entry {
	const char *path; /* absolute and clean */
	const char *link; /* LINK: its text, else "" */
	const char *reason;
	uint64_t size;   /* FILE */
	uint64_t source; /* FILE: which file of the host it was made of, by identity_short(); 0 where that is not known
			  */
	uint64_t made;   /* FILE: which file of the tree it is; 0 where that is not known */
	dev_t device;    /* DEVICE */
	unsigned mode;
	uid_t uid;
	gid_t gid;
	unsigned name; /* where in `path` the last component begins */
	viso_entry_type type;
	viso_entry_state state;
	bool has_owner;
	bool is_block;  /* DEVICE */
	bool is_bound;  /* DEVICE: it is a mount upon an empty file */
	bool is_linked; /* FILE: its inode is shared with others, who may change the time of its change */
	bool is_sparse; /* `sum` is one of sum_sparse() */
	unsigned char capability_size;
	unsigned char capability[RECORD_CAPABILITY_MAX];
	char sum[SUM_TEXT]; /* "" where it is not known */
};

struct viso_manifest {
	struct handle handle;
	struct record_entry *entries;
	size_t count;
	size_t capacity;
	struct record_text *text;                                  /* what the strings of the entries lie in */
	char boot[sizeof("01234567-0123-0123-0123-0123456789ab")]; /* of the boot in which it was made */
};

struct manifest;
struct manifest_entry;

/* An empty list; NULL with the error set. */
viso_manifest *record_new(void);

/* A copy of a string or of bytes that lives as long as the list; NULL with the error set. */
const char *record_keep(viso_manifest *record, const char *text, size_t length);

/* Room for a text that lives as long as the list; NULL with the error set. */
char *record_reserve(viso_manifest *record, size_t size);

/* One more entry at the end, all zero, with a copy of the path, and name set; NULL with the error set. */
struct record_entry *record_add(viso_manifest *record, const char *path, size_t length);

/* The same with a path that lives as long as the list. */
struct record_entry *record_add_kept(viso_manifest *record, const char *path, size_t length);

/* The entries of a plan, which is sorted, in its order; sizes and sums are not known. NULL with the error set. */
viso_manifest *record_from_plan(struct manifest_entry *const *sorted, size_t count);

/* All entries of both; those of `first` where both have them. NULL with the error set. */
viso_manifest *record_merge(const viso_manifest *first, const viso_manifest *second);

/* A copy. NULL with the error set. */
viso_manifest *record_copy(const viso_manifest *record);

/* Drops the entries whose type is 0. */
void record_compact(viso_manifest *record);

/* The order of entries: directory by directory, each before what lies in it. */
int record_compare(const char *left, unsigned left_name, const char *right, unsigned right_name);

/* NULL where there is none, or `record` is NULL. */
struct record_entry *record_find(const viso_manifest *record, const char *path);

/*
 * The same for paths that come in the order of the list: `cursor`, 0 at first, is where it goes on. `name` is where the
 * last component begins.
 */
struct record_entry *record_find_next(const viso_manifest *record, const char *path, unsigned name, size_t *cursor);

/* Whether identities in it may be believed: what was not on the disk yet when the machine went down may be lost. */
bool record_is_of_this_boot(const viso_manifest *record);

/* The list as text in the format of mtree(5), to be freed; NULL with the error set. With `is_private` it has what only
 * this library reads. */
char *record_print(const viso_manifest *record, bool is_private, size_t *out_size);

/* As much as is read of a file that somebody hostile may have written; a million entries have half of it. */
enum { RECORD_FILE_MAX = 512 << 20 };

/* Reads such a text from an open file. NULL with the error set: -EBADMSG, -EIO, -ENOMEM. `name` is for it. */
viso_manifest *record_read(int fd, const char *name);

/* Compares the tree with the list and sets the states. How many differ, or a negative errno with the error set. */
int record_verify(viso_manifest *record, int root);

#endif
