/* SPDX-License-Identifier: MIT */
#include "image/listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "root/handle.h"

/* The record of viso_root_update() and its like, in the root's own directory. */
#define RECORD ".viso"

struct walk {
	struct listing *listing;
	const struct manifest *manifest; /* NULL for an existing directory, which is taken as it is */
	int root;
	struct strings pending; /* directories still to be read */
};

static int fail(int error, const char *action, const char *path)
{
	return error_fail(VISO_STAGE_IMAGE, error, path, "cannot %s %s of the root: %s", action, path,
			  strerrordesc_np(error));
}

static struct listed *append(struct listing *listing, const char *path)
{
	if (listing->count == listing->capacity) {
		size_t capacity = listing->capacity ? 2 * listing->capacity : 256;
		struct listed *entries = realloc(listing->entries, capacity * sizeof(*entries));
		if (!entries)
			return NULL;
		listing->entries = entries;
		listing->capacity = capacity;
	}
	char *copy = strdup(path);
	if (!copy)
		return NULL;
	struct listed *listed = &listing->entries[listing->count++];
	*listed = (struct listed){.path = copy};
	return listed;
}

static const struct manifest_entry *entry_of(const struct walk *walk, const char *path)
{
	char target[PATH_MAX + 1];
	snprintf(target, sizeof(target), "/%s", strcmp(path, ".") ? path : "");
	return walk->manifest ? manifest_find(walk->manifest, target) : NULL;
}

/* A device that could not be made, or that a mount stands in for. */
static void make_device(struct listed *listed, const struct manifest_entry *entry)
{
	listed->mode = (entry->is_block ? S_IFBLK : S_IFCHR) | entry->mode;
	listed->device = entry->device;
	listed->mtime = 0;
	listed->links = 1;
}

/* What the tree has, corrected by what the root says. */
static void describe(struct walk *walk, struct listed *listed, const struct stat *st)
{
	const struct manifest_entry *entry = entry_of(walk, listed->path);
	listed->mode = st->st_mode;
	listed->device = st->st_rdev;
	listed->on = st->st_dev;
	listed->inode = st->st_ino;
	listed->owner = st->st_uid;
	listed->links = st->st_nlink;
	listed->size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	if (!walk->manifest) {
		listed->uid = st->st_uid;
		listed->gid = st->st_gid;
		listed->mtime = st->st_mtime;
		return;
	}
	/* The time at which the root was built would make two images of two same ones. That of a file matters: Python
	 * compiles a module anew where it is not that in the compiled file. */
	if (S_ISREG(st->st_mode) && !(entry && entry->type == MANIFEST_DATA))
		listed->mtime = st->st_mtime;
	if (entry && entry->has_owner) {
		listed->uid = entry->uid;
		listed->gid = entry->gid;
		walk->listing->has_owners |= entry->uid || entry->gid;
	}
	if (entry && entry->type == MANIFEST_DEVICE && !S_ISCHR(st->st_mode) && !S_ISBLK(st->st_mode))
		make_device(listed, entry);
}

static int read_link(int directory, const char *name, struct listed *listed)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(directory, name, text, sizeof(text));
	if (length < 0)
		return fail(errno, "read the link", listed->path);
	if (length == sizeof(text))
		return fail(ENAMETOOLONG, "read the link", listed->path);
	listed->link = strndup(text, (size_t)length);
	return listed->link ? 0 : error_memory();
}

static int add(struct walk *walk, int directory, const char *name, const char *path)
{
	struct stat st;
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		/* It went away while we looked. */
		return errno == ENOENT ? 0 : fail(errno, "examine", path);
	if (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode))
		return strings_add(&walk->listing->left_out, path) < 0 ? error_memory() : 0;
	struct listed *listed = append(walk->listing, path);
	if (!listed)
		return error_memory();
	describe(walk, listed, &st);
	if (S_ISLNK(st.st_mode))
		return read_link(directory, name, listed);
	if (S_ISDIR(st.st_mode))
		return strings_add(&walk->pending, path) < 0 ? error_memory() : 0;
	return 0;
}

static int read_entries(struct walk *walk, DIR *dir, const char *path)
{
	char below[PATH_MAX];
	bool is_top = !strcmp(path, ".");
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry)
			return errno ? fail(errno, "read the directory", path) : 0;
		const char *name = entry->d_name;
		if (!strcmp(name, ".") || !strcmp(name, "..") || (is_top && !strcmp(name, RECORD)))
			continue;
		if (snprintf(below, sizeof(below), "%s%s%s", is_top ? "" : path, is_top ? "" : "/", name) >= PATH_MAX)
			return fail(ENAMETOOLONG, "pack", path);
		int r = add(walk, dirfd(dir), name, below);
		if (r < 0)
			return r;
	}
}

static int read_directory(struct walk *walk, const char *path)
{
	_cleanup_close_ int fd = open_beneath(walk->root, path, O_RDONLY | O_DIRECTORY, true);
	if (fd == -EXDEV)
		return strings_add(&walk->listing->mounts, path) < 0 ? error_memory() : 0;
	/* It went away while we looked. */
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fail(-fd, "read the directory", path);
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	if (!dir)
		return error_memory();
	TAKE_FD(fd);
	return read_entries(walk, dir, path);
}

static int compare(const void *left, const void *right)
{
	const struct listed *a = left, *b = right;
	/* "." stands before all. */
	if (!strcmp(a->path, ".") || !strcmp(b->path, "."))
		return (a->path[0] != '.' || a->path[1]) - (b->path[0] != '.' || b->path[1]);
	return strcmp(a->path, b->path);
}

static void sort(struct listing *listing)
{
	if (listing->count)
		qsort(listing->entries, listing->count, sizeof(*listing->entries), compare);
}

/* An ordinary user's tree has no devices; an image of it can. */
static int add_missing_devices(struct walk *walk)
{
	size_t there = walk->listing->count;
	for (size_t i = 0; walk->manifest && i < walk->manifest->count; i++) {
		const struct manifest_entry *entry = walk->manifest->entries[i];
		struct listed key = {.path = (char *)entry->target + 1};
		if (entry->type != MANIFEST_DEVICE ||
		    bsearch(&key, walk->listing->entries, there, sizeof(key), compare))
			continue;
		struct listed *listed = append(walk->listing, key.path);
		if (!listed)
			return error_memory();
		make_device(listed, entry);
		listed->uid = entry->has_owner ? entry->uid : 0;
		listed->gid = entry->has_owner ? entry->gid : 0;
		/* Only `there` entries are sorted, and bsearch() looks at no others. */
	}
	sort(walk->listing);
	return 0;
}

int listing_make(struct listing *listing, const viso_root *root, int fd)
{
	*listing = (struct listing){0};
	struct walk walk = {.listing = listing, .manifest = root->used ? NULL : &root->manifest, .root = fd};
	struct stat st;
	struct listed *top = append(listing, ".");
	if (!top)
		return error_memory();
	if (fstat(fd, &st) < 0)
		return fail(errno, "examine", ".");
	describe(&walk, top, &st);
	int r = read_directory(&walk, ".");
	for (size_t i = 0; r >= 0 && i < walk.pending.count; i++)
		r = read_directory(&walk, walk.pending.items[i]);
	strings_clear(&walk.pending);
	if (r < 0)
		return r;
	sort(listing);
	return add_missing_devices(&walk);
}

void listing_clear(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++) {
		free(listing->entries[i].path);
		free(listing->entries[i].link);
	}
	free(listing->entries);
	strings_clear(&listing->left_out);
	strings_clear(&listing->mounts);
	*listing = (struct listing){0};
}
