/* SPDX-License-Identifier: MIT */
/* What a root shall contain: a list of entries that is looked up by their paths in the root. Nothing here touches a
 * file. */
#ifndef ROOT_PLAN_H
#define ROOT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum plan_type { PLAN_DIRECTORY, PLAN_FILE, PLAN_DATA, PLAN_LINK, PLAN_DEVICE };

/* Where the place is taken by something different: -EEXIST, or what is there stays and the call succeeds. */
enum plan_conflict { PLAN_REFUSE, PLAN_KEEP };

struct plan_entry {
	const char *target; /* absolute and clean; no entry on the way to it is a link */
	const char *source; /* FILE: path on the host without links; LINK: its text */
	const void *data;   /* DATA */
	size_t size;        /* DATA */
	dev_t device;       /* DEVICE, a character device */
	unsigned mode;      /* permission bits; a FILE has those of its source */
	enum plan_type type;
	bool implied;         /* a directory that is there only because something lies beneath it */
	bool on_host;         /* the host has the same directory or link at this path */
	unsigned explicit_in; /* the transaction that made a directory explicit */
	unsigned name;        /* where in `target` the last component begins */
	uint32_t hash;
};

struct plan {
	struct plan_entry **entries; /* in the order in which they came */
	size_t count;
	size_t capacity;
	uint32_t *slots; /* index + 1 of the entry, 0 for none; open addressing */
	size_t slot_count;
	unsigned transaction;
};

/* The entry at this very path; NULL where there is none. */
struct plan_entry *plan_find(const struct plan *plan, const char *target);

/*
 * All of these add an entry, with the directories above it where they are missing. The same entry twice is one entry.
 * `target` is clean and has no link on the way (see plan_follow). 0, or with the error set: -EEXIST, -ENOMEM.
 */
int plan_add_file(struct plan *plan, const char *target, const char *source, enum plan_conflict conflict);
int plan_add_data(struct plan *plan, const char *target, const void *data, size_t size, unsigned mode,
		  enum plan_conflict conflict);
int plan_add_link(struct plan *plan, const char *target, const char *text, enum plan_conflict conflict);
int plan_add_device(struct plan *plan, const char *target, dev_t device, unsigned mode, enum plan_conflict conflict);

/* A directory whose mode matters. The first one that gives a mode wins; two directories are never in conflict. */
int plan_add_directory(struct plan *plan, const char *target, unsigned mode, enum plan_conflict conflict);

/* A directory that shall be there, whatever its mode. */
int plan_imply_directory(struct plan *plan, const char *target);

/*
 * Resolves the links of the plan in `path`, of which the last component is resolved only with `last`. `out` has
 * PATH_MAX bytes and may be `path`. 0, or with the error set: -ELOOP, -ENAMETOOLONG.
 */
int plan_follow(const struct plan *plan, const char *path, bool last, char *out);

/* Everything since the last mark can be taken back. */
size_t plan_mark(struct plan *plan);
void plan_rollback(struct plan *plan, size_t mark);

/*
 * The entries, those of one directory together, and every directory before what lies in it. To be freed by the caller;
 * NULL without memory.
 */
struct plan_entry **plan_sorted(const struct plan *plan);

void plan_clear(struct plan *plan);

#endif
