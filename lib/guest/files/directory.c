/* SPDX-License-Identifier: MIT */
/*
 * Open directories. Their names are collected from all layers when they are read first, and again after a rewind, so
 * that offsets mean something whatever happens to the directory meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "guest/files/listing.h"
#include "guest/files/memory_file.h"
#include "guest/files/proc.h"
#include "guest/memory/fault.h"
#include "guest/program/program.h"

enum { FIXED_COST = 64, ENTRY_HEAD = 19, ENTRIES_SIZE = 32 << 10 };

struct listed {
	uint64_t ino;
	unsigned layer;
	unsigned char type;
	bool whiteout;
	char name[];
};

struct listing {
	struct listed **entries;
	size_t count;
	size_t capacity;
	uint64_t size;
	unsigned layer; /* that is being listed */
	struct file_counts *counts;
};

static void listing_free(struct listing *listing)
{
	if (!listing)
		return;
	for (size_t i = 0; i < listing->count; i++)
		free(listing->entries[i]);
	free(listing->entries);
	listing->counts->listed -= listing->size;
	free(listing);
}

static int add_entry(void *data, const char *name, uint64_t ino, unsigned char type, bool whiteout)
{
	struct listing *listing = data;
	size_t length = strlen(name), cost = FIXED_COST + length;
	if (!counts_list(listing->counts, cost))
		return -ENOMEM;
	listing->size += cost;
	if (listing->count == listing->capacity) {
		size_t capacity = listing->capacity ? 2 * listing->capacity : 32;
		struct listed **entries = reallocarray(listing->entries, capacity, sizeof(struct listed *));
		if (!entries)
			return -ENOMEM;
		listing->entries = entries;
		listing->capacity = capacity;
	}
	struct listed *entry = malloc(sizeof(*entry) + length + 1);
	if (!entry)
		return -ENOMEM;
	*entry = (struct listed){.ino = ino, .layer = listing->layer, .type = type, .whiteout = whiteout};
	memcpy(entry->name, name, length + 1);
	listing->entries[listing->count++] = entry;
	return 0;
}

static int by_name_and_layer(const void *left, const void *right)
{
	const struct listed *a = *(struct listed *const *)left, *b = *(struct listed *const *)right;
	int order = strcmp(a->name, b->name);
	return order ? order : a->layer < b->layer ? -1 : a->layer > b->layer;
}

/* Leaves of each name what its uppermost layer has, if it does not hide it. */
static void merge(struct listing *listing)
{
	size_t kept = 0;
	const char *last = NULL;
	struct listed *hidden = NULL;
	if (listing->count)
		qsort(listing->entries, listing->count, sizeof(struct listed *), by_name_and_layer);
	for (size_t i = 0; i < listing->count; i++) {
		struct listed *entry = listing->entries[i];
		bool is_new = !last || strcmp(last, entry->name) != 0;
		if (is_new && !entry->whiteout) {
			listing->entries[kept++] = entry;
			last = entry->name;
			continue;
		}
		/* Its name is still compared with, where it is a whiteout. */
		if (is_new) {
			free(hidden);
			hidden = entry;
			last = entry->name;
		} else {
			free(entry);
		}
	}
	free(hidden);
	listing->count = kept;
}

static int list_layers(struct program *program, struct spot *directory, struct listing *listing)
{
	if (directory->mount->is_proc)
		return proc_list(program, directory, add_entry, listing);
	unsigned layers = 0;
	for (unsigned i = 0; i < directory->mount->layer_count; i++) {
		if (!(directory->present >> i & 1))
			continue;
		const struct layer *layer = &directory->mount->layers[i];
		listing->layer = i;
		int r = layer->ops->list(layer, &directory->parts[i], add_entry, listing);
		if (r < 0)
			return r;
		layers++;
	}
	bool has_whiteouts = directory->mount->layers[0].has_whiteouts;
	if (layers > 1 || has_whiteouts || layer_is_memory(&directory->mount->layers[0]))
		merge(listing);
	return 0;
}

static int make_listing(struct program *program, struct spot *directory, struct listing **out)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	if (!listing)
		return -ENOMEM;
	listing->counts = &program->view->counts;
	int r = list_layers(program, directory, listing);
	if (r < 0)
		listing_free(listing);
	else
		*out = listing;
	return r;
}

int directory_check_empty(struct program *program, struct spot *directory)
{
	struct listing *listing;
	int r = make_listing(program, directory, &listing);
	if (r < 0)
		return r;
	r = listing->count ? -ENOTEMPTY : 0;
	listing_free(listing);
	return r;
}

/* Collects the names where that has not been done. */
static int load(struct program *program, struct file *file)
{
	struct spot spot;
	if (file->listing)
		return 0;
	int r = view_find(program, AT_FDCWD, file->path, 0, &spot);
	if (r == 0 && !S_ISDIR(spot.st.st_mode))
		r = -ENOENT;
	if (r == 0)
		r = make_listing(program, &spot, &file->listing);
	spot_release(&spot);
	return r;
}

/* The entry at a position: 0 and 1 are "." and "..". False at the end. */
static bool entry_at(const struct file *file, uint64_t position, const char **out_name, uint64_t *out_ino,
		     unsigned char *out_type)
{
	if (position < 2) {
		*out_name = position == 0 ? "." : "..";
		*out_ino = 1;
		*out_type = DT_DIR;
		return true;
	}
	if (position - 2 >= file->listing->count)
		return false;
	const struct listed *entry = file->listing->entries[position - 2];
	*out_name = entry->name;
	*out_ino = entry->ino;
	*out_type = entry->type;
	return true;
}

/* struct linux_dirent64 of getdents(2). */
static size_t put_entry(uint8_t *out, size_t room, uint64_t position, const char *name, uint64_t ino,
			unsigned char type)
{
	size_t length = (ENTRY_HEAD + strlen(name) + 1 + 7) & ~(size_t)7;
	if (length > room)
		return 0;
	int64_t offset = (int64_t)position + 1;
	uint16_t size = (uint16_t)length;
	memset(out, 0, length);
	memcpy(out, &ino, 8);
	memcpy(out + 8, &offset, 8);
	memcpy(out + 16, &size, 2);
	out[18] = type;
	memcpy(out + ENTRY_HEAD, name, strlen(name));
	return length;
}

int64_t directory_read(struct program *program, struct file *file, uint64_t address, size_t size)
{
	const char *name;
	uint64_t ino;
	unsigned char type;
	size_t done = 0;
	if (size > ENTRIES_SIZE)
		size = ENTRIES_SIZE;
	int r = load(program, file);
	if (r < 0)
		return r;
	_cleanup_free_ uint8_t *buffer = malloc(ENTRIES_SIZE);
	if (!buffer)
		return -ENOMEM;
	uint64_t position = file->position;
	while (entry_at(file, position, &name, &ino, &type)) {
		size_t length = put_entry(buffer + done, size - done, position, name, ino, type);
		if (length == 0 && done == 0)
			return -EINVAL;
		if (length == 0)
			break;
		done += length;
		position++;
	}
	if (space_write(program->space, address, buffer, done) < 0)
		return -EFAULT;
	file->position = position;
	return (int64_t)done;
}

static int64_t read_none(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size,
			 int64_t offset)
{
	return -EISDIR;
}

static int64_t seek(struct program *program, struct file *file, int64_t offset, int whence)
{
	if (whence == SEEK_CUR && __builtin_add_overflow(offset, (int64_t)file->position, &offset))
		return -EINVAL;
	if ((whence != SEEK_SET && whence != SEEK_CUR) || offset < 0)
		return -EINVAL;
	if (offset == 0) {
		listing_free(file->listing);
		file->listing = NULL;
	}
	file->position = (uint64_t)offset;
	return offset;
}

static int status(struct file *file, struct stat *out)
{
	if (file->node) {
		memory_status(file->node, out);
		out->st_dev = file->mount->device;
		return 0;
	}
	if (file->fd < 0) {
		*out = (struct stat){.st_mode = file->type | 0555, .st_nlink = 1, .st_ino = 1, .st_blksize = 4096};
		return 0;
	}
	return host_file_ops.status(file, out);
}

static void release(struct file *file)
{
	listing_free(file->listing);
	memory_file_ops.release(file);
}

const struct file_ops directory_ops = {
	.pread = read_none,
	.seek = seek,
	.status = status,
	.release = release,
};

/* O_PATH: of anything. */
const struct file_ops path_ops = {
	.status = status,
	.release = release,
};
