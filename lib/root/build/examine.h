/* SPDX-License-Identifier: MIT */
/* Looking at an entry of a tree: is it as the plan wants it, and is it ours? */
#ifndef ROOT_EXAMINE_H
#define ROOT_EXAMINE_H

#include "root/build/maker.h"

enum verdict {
	VERDICT_RIGHT,
	VERDICT_STALE,  /* right, but the record's identities are not those of now */
	VERDICT_WRONG,  /* to be made */
	VERDICT_SHARED, /* a directory that others made, which is left as it is */
	VERDICT_ABSENT, /* an optional device that was not made and need not be */
};

struct examiner {
	struct maker *maker;
	const viso_manifest *old;  /* the last record */
	const viso_manifest *ours; /* all that is ours */
	bool is_opened;            /* restricted directories have their owner's bits while we work */
	bool is_trusted;           /* the identities in `old` say something */
	size_t old_cursor, ours_cursor;
	struct directory_cache tree;
};

/*
 * Looks at one entry; they come in their order. `record`, which has the plan's part, is complete where the entry is
 * right. 0, or a negative errno with the error set: -EEXIST something of others is in its place.
 */
int examine(struct examiner *examiner, const struct manifest_entry *entry, struct record_entry *record,
	    enum verdict *out);

#endif
