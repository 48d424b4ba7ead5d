/* SPDX-License-Identifier: MIT */
#include "root/build/seal.h"

#include "core/cleanup.h"
#include "root/failure.h"
#include "root/record/inside.h"

uint64_t seal_identity(const struct record_entry *entry, const struct stat *st)
{
	/* Nothing is saved where the contents are compared anyway. The records of roots that share a store stay the
	 * same. */
	if (!entry->source || !entry->size)
		return 0;
	/* With other links to it the time of change says nothing, and its inode keeps it for longer than a tick. */
	if (entry->is_linked)
		return identity_short(st, false);
	return identity_is_settled(st) ? identity_short(st, true) : 0;
}

int seal_record(viso_manifest *record, int root)
{
	_cleanup_(inside_clear) struct directory_cache tree = {.base = root, .one_mount = true, .fd = -1};
	record_compact(record);
	for (size_t i = 0; i < record->count; i++) {
		struct record_entry *entry = &record->entries[i];
		struct stat st;
		int r = inside_stat(&tree, entry->path, entry->name, &st);
		if (r < 0)
			return fail_path(-r, "find", entry->path);
		entry->has_owner = true;
		entry->uid = st.st_uid;
		entry->gid = st.st_gid;
		if (entry->type == VISO_ENTRY_FILE)
			entry->made = seal_identity(entry, &st);
		/* The host's device has the mode and owner that the host gives it. */
		if (entry->is_bound)
			entry->mode = st.st_mode & 07777;
	}
	return 0;
}
