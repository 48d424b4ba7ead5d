/* SPDX-License-Identifier: MIT */
/*
 * Compares a tree with a list. The tree may be hostile, and at work: nothing is followed out of it, no FIFO stops us,
 * and no device is opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "root/failure.h"
#include "root/record/inside.h"
#include "root/record/record.h"

static viso_entry_type type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return VISO_ENTRY_DIRECTORY;
	case S_IFREG:
		return VISO_ENTRY_FILE;
	case S_IFLNK:
		return VISO_ENTRY_LINK;
	case S_IFCHR:
	case S_IFBLK:
		return VISO_ENTRY_DEVICE;
	default:
		return 0;
	}
}

/* The file capabilities, or those that it should have where they cannot be read. */
static bool has_capability(int fd, const struct record_entry *entry)
{
	unsigned char value[RECORD_CAPABILITY_MAX + 1];
	ssize_t size = fgetxattr(fd, "security.capability", value, sizeof(value));
	if (size < 0)
		size = 0;
	return size == entry->capability_size && !memcmp(value, entry->capability, (size_t)size);
}

static viso_entry_state compare_file(const struct record_entry *entry, struct directory_cache *tree,
				     const struct stat *found)
{
	char sum[SUM_TEXT];
	struct stat st;
	if ((uint64_t)found->st_size != entry->size)
		return VISO_ENTRY_CHANGED;
	_cleanup_close_ int fd = inside_open_file(tree->fd, entry->path + entry->name, &st);
	if (fd < 0)
		return fd == -ENOENT ? VISO_ENTRY_MISSING : fd == -EINVAL ? VISO_ENTRY_RETYPED : VISO_ENTRY_UNKNOWN;
	if (!entry->sum[0])
		return has_capability(fd, entry) ? VISO_ENTRY_RIGHT : VISO_ENTRY_CHMODDED;
	/* A record of ours has no plain sum of such a file; hashing its zeros might take for ever. */
	if (sum_is_sparse(&st) && !entry->is_sparse)
		return VISO_ENTRY_UNKNOWN;
	int r = entry->is_sparse ? sum_sparse(fd, &st, NULL, sum) : sum_file(fd, NULL, sum);
	if (r < 0)
		return VISO_ENTRY_UNKNOWN;
	if (strcmp(sum, entry->sum) != 0)
		return VISO_ENTRY_CHANGED;
	return has_capability(fd, entry) ? VISO_ENTRY_RIGHT : VISO_ENTRY_CHMODDED;
}

static viso_entry_state compare_link(const struct record_entry *entry, int parent)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(parent, entry->path + entry->name, text, sizeof(text));
	if (length < 0)
		return VISO_ENTRY_UNKNOWN;
	return (size_t)length == strlen(entry->link) && !memcmp(text, entry->link, (size_t)length) ? VISO_ENTRY_RIGHT
												   : VISO_ENTRY_CHANGED;
}

static viso_entry_state compare_contents(const struct record_entry *entry, struct directory_cache *tree,
					 const struct stat *st)
{
	switch (entry->type) {
	case VISO_ENTRY_FILE:
		return compare_file(entry, tree, st);
	case VISO_ENTRY_LINK:
		return compare_link(entry, tree->fd);
	case VISO_ENTRY_DEVICE:
		return st->st_rdev == entry->device && S_ISBLK(st->st_mode) == entry->is_block ? VISO_ENTRY_RIGHT
											       : VISO_ENTRY_CHANGED;
	default:
		return VISO_ENTRY_RIGHT;
	}
}

static viso_entry_state compare(const struct record_entry *entry, struct directory_cache *tree)
{
	struct stat st;
	int r = inside_stat(tree, entry->path, entry->name, &st);
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return VISO_ENTRY_MISSING;
	if (r < 0)
		return VISO_ENTRY_UNKNOWN;
	if (type_of(st.st_mode) != entry->type)
		return VISO_ENTRY_RETYPED;
	viso_entry_state state = compare_contents(entry, tree, &st);
	if (state != VISO_ENTRY_RIGHT)
		return state;
	bool has_mode = entry->type == VISO_ENTRY_LINK || (st.st_mode & 07777) == entry->mode;
	bool has_owner = !entry->has_owner || (st.st_uid == entry->uid && st.st_gid == entry->gid);
	return has_mode && has_owner ? VISO_ENTRY_RIGHT : VISO_ENTRY_CHMODDED;
}

int record_verify(viso_manifest *record, int root)
{
	_cleanup_(inside_clear) struct directory_cache tree = {.base = root, .fd = -1, .one_mount = true};
	int count = 0;
	for (size_t i = 0; i < record->count; i++) {
		struct record_entry *entry = &record->entries[i];
		entry->state = compare(entry, &tree);
		if (entry->state != VISO_ENTRY_RIGHT && count < INT_MAX)
			count++;
	}
	return count;
}
