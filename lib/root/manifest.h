/* SPDX-License-Identifier: MIT */
/* What a root shall contain: a list of entries that is looked up by their paths in the root. Nothing here touches a
 * file. */
#ifndef ROOT_MANIFEST_H
#define ROOT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/strings.h"

enum manifest_type { MANIFEST_DIRECTORY, MANIFEST_FILE, MANIFEST_DATA, MANIFEST_LINK, MANIFEST_DEVICE };

/* Where the place is taken by something different: -EEXIST, or what is there stays and the call succeeds. */
enum manifest_conflict { MANIFEST_REFUSE, MANIFEST_KEEP };

struct manifest_entry {
	const char *target; /* absolute and clean; no entry on the way to it is a link */
	const char *source; /* FILE: path on the host without links; LINK: its text */
	const void *data;   /* DATA */
	size_t size;        /* DATA */
	dev_t device;       /* DEVICE */
	const char *reason; /* why it is there; of the manifest's */
	unsigned mode;      /* permission bits; a FILE has those of its source unless has_mode */
	uid_t uid;          /* with has_owner */
	gid_t gid;
	enum manifest_type type;
	bool has_mode;
	bool has_owner;
	bool is_block;    /* DEVICE: a block device, else a character device */
	bool is_optional; /* DEVICE: where it cannot be made the root does without */
	bool implied;     /* a directory that is there only because something lies beneath it */
	bool on_scratch;  /* FILE: `source` lies in a directory of the library's own, whatever the manifest's source */
	bool on_host;     /* the host has the same directory or link at this path */
	unsigned explicit_in; /* the transaction that made a directory explicit */
	unsigned name;        /* where in `target` the last component begins */
	uint32_t hash;
};

struct source;
struct collected;

struct manifest {
	const struct source *source;     /* where its FILEs are */
	struct collected *collected;     /* the libraries among them; may be NULL */
	struct manifest_entry **entries; /* in the order in which they came */
	size_t count;
	size_t capacity;
	uint32_t *slots; /* index + 1 of the entry, 0 for none; open addressing */
	size_t slot_count;
	unsigned transaction;
	struct strings reasons;
	const char *reason; /* of what is added now */
};

/*
 * Says why what is added from now on is there, in a few words: "library of /usr/bin/x". Returns the reason before,
 * which manifest_restore_reason() takes. Without memory the reason stays what it was.
 */
const char *manifest_set_reason(struct manifest *manifest, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void manifest_restore_reason(struct manifest *manifest, const char *reason);

/* The entry at this very path; NULL where there is none. */
struct manifest_entry *manifest_find(const struct manifest *manifest, const char *target);

/*
 * All of these add an entry, with the directories above it where they are missing. The same entry twice is one entry.
 * `target` is clean and has no link on the way (see manifest_follow). 0, or with the error set: -EEXIST, -ENOMEM.
 */
int manifest_add_file(struct manifest *manifest, const char *target, const char *source,
		      enum manifest_conflict conflict);
int manifest_add_data(struct manifest *manifest, const char *target, const void *data, size_t size, unsigned mode,
		      enum manifest_conflict conflict);
int manifest_add_link(struct manifest *manifest, const char *target, const char *text, enum manifest_conflict conflict);
/* `mode` has S_IFBLK for a block device. */
int manifest_add_device(struct manifest *manifest, const char *target, dev_t device, unsigned mode,
			enum manifest_conflict conflict);

/* A directory whose mode matters. The first one that gives a mode wins; two directories are never in conflict. */
int manifest_add_directory(struct manifest *manifest, const char *target, unsigned mode,
			   enum manifest_conflict conflict);

/*
 * Any kind of entry with all attributes that it has: type, target, and what belongs to the type, mode, uid, gid,
 * has_mode, has_owner, on_scratch and implied are looked at.
 */
int manifest_add_entry(struct manifest *manifest, const struct manifest_entry *wanted, enum manifest_conflict conflict);

/* Gives the DATA entry at `target` other contents. 0, or -ENOMEM with the error set; not taken back by a rollback. */
int manifest_replace_data(struct manifest *manifest, const char *target, const void *data, size_t size);

/* A directory that shall be there, whatever its mode. */
int manifest_imply_directory(struct manifest *manifest, const char *target);

/*
 * Resolves the links of the manifest in `path`, of which the last component is resolved only with `last`. `out` has
 * PATH_MAX bytes and may be `path`. 0, or with the error set: -ELOOP, -ENAMETOOLONG.
 */
int manifest_follow(const struct manifest *manifest, const char *path, bool last, char *out);

/* Everything since the last mark can be taken back. */
size_t manifest_mark(struct manifest *manifest);
void manifest_rollback(struct manifest *manifest, size_t mark);

/*
 * The entries, those of one directory together, and every directory before what lies in it. To be freed by the caller;
 * NULL without memory.
 */
struct manifest_entry **manifest_sorted(const struct manifest *manifest);

void manifest_clear(struct manifest *manifest);

#endif
