/* SPDX-License-Identifier: MIT */
#include "root/manifest.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "root/path.h"

enum { IMPLIED_MODE = 0755, FOLLOW_MAX = 40 };

/* FNV-1a. */
static uint32_t hash_path(const char *path, size_t length)
{
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)path[i]) * 16777619u;
	return hash;
}

static struct manifest_entry *find(const struct manifest *manifest, const char *target, size_t length, uint32_t hash)
{
	if (!manifest->slot_count)
		return NULL;
	for (size_t i = hash & (manifest->slot_count - 1); manifest->slots[i];
	     i = (i + 1) & (manifest->slot_count - 1)) {
		struct manifest_entry *entry = manifest->entries[manifest->slots[i] - 1];
		if (entry->hash == hash && !strncmp(entry->target, target, length) && !entry->target[length])
			return entry;
	}
	return NULL;
}

struct manifest_entry *manifest_find(const struct manifest *manifest, const char *target)
{
	size_t length = strlen(target);
	return find(manifest, target, length, hash_path(target, length));
}

static void put_slot(struct manifest *manifest, size_t index)
{
	size_t i = manifest->entries[index]->hash & (manifest->slot_count - 1);
	while (manifest->slots[i])
		i = (i + 1) & (manifest->slot_count - 1);
	manifest->slots[i] = (uint32_t)index + 1;
}

/* Room for one more entry, with at least half of the slots free. */
static int grow(struct manifest *manifest)
{
	if (manifest->count < manifest->capacity)
		return 0;
	size_t capacity = manifest->capacity ? 2 * manifest->capacity : 128;
	struct manifest_entry **entries = realloc(manifest->entries, capacity * sizeof(*entries));
	if (!entries)
		return error_memory();
	manifest->entries = entries;
	uint32_t *slots = calloc(2 * capacity, sizeof(*slots));
	if (!slots)
		return error_memory();
	free(manifest->slots);
	manifest->slots = slots;
	manifest->slot_count = 2 * capacity;
	manifest->capacity = capacity;
	for (size_t i = 0; i < manifest->count; i++)
		put_slot(manifest, i);
	return 0;
}

/* A copy of `wanted` with all that it points to, in one block. */
static struct manifest_entry *copy_entry(const struct manifest_entry *wanted, size_t length)
{
	size_t source = wanted->source ? strlen(wanted->source) + 1 : 0;
	/* Most files have the same path in the root as on the host. */
	bool same = source == length + 1 && !memcmp(wanted->source, wanted->target, length);
	struct manifest_entry *entry = malloc(sizeof(*entry) + length + 1 + (same ? 0 : source) + wanted->size);
	if (!entry)
		return NULL;
	*entry = *wanted;
	char *end = (char *)(entry + 1);
	entry->target = memcpy(end, wanted->target, length);
	end += length;
	*end++ = '\0';
	if (same)
		entry->source = entry->target;
	else if (source)
		entry->source = memcpy(end, wanted->source, source);
	if (wanted->size)
		entry->data = memcpy(end + source, wanted->data, wanted->size);
	return entry;
}

static bool is_same(const struct manifest_entry *a, const struct manifest_entry *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case MANIFEST_DIRECTORY:
		return true;
	case MANIFEST_FILE:
	case MANIFEST_LINK:
		return !strcmp(a->source, b->source);
	case MANIFEST_DATA:
		return a->mode == b->mode && a->size == b->size && (!a->size || !memcmp(a->data, b->data, a->size));
	case MANIFEST_DEVICE:
		return a->mode == b->mode && a->device == b->device && a->is_block == b->is_block;
	}
	return false;
}

static const char *describe(const struct manifest_entry *entry)
{
	if (entry->on_scratch)
		return "a file of the ";
	static const char *const names[] = {
		[MANIFEST_DIRECTORY] = "a directory",
		[MANIFEST_FILE] = "a file that was added from ",
		[MANIFEST_DATA] = "a file with given contents",
		[MANIFEST_LINK] = "a symbolic link to ",
		[MANIFEST_DEVICE] = "a device",
	};
	return names[entry->type];
}

/* What belongs behind that. A base's files lie where nobody looks: its name is in the reason. */
static const char *origin(const struct manifest_entry *entry)
{
	return entry->on_scratch ? entry->reason : entry->source ? entry->source : "";
}

static int meet(struct manifest *manifest, struct manifest_entry *old, const struct manifest_entry *wanted,
		enum manifest_conflict conflict)
{
	if (!is_same(old, wanted)) {
		if (conflict == MANIFEST_KEEP)
			return 0;
		return error_fail(VISO_STAGE_ROOT, EEXIST, wanted->target, "%s is %s%s in this root already",
				  wanted->target, describe(old), origin(old));
	}
	if (old->implied && !wanted->implied) {
		old->implied = false;
		old->mode = wanted->mode;
		old->has_owner = wanted->has_owner;
		old->uid = wanted->uid;
		old->gid = wanted->gid;
		old->explicit_in = manifest->transaction;
	}
	return 0;
}

/* Adds an entry that is not there yet and whose parent is. */
static int insert(struct manifest *manifest, struct manifest_entry wanted, size_t length)
{
	size_t slash = length;
	while (slash && wanted.target[slash - 1] != '/')
		slash--;
	wanted.name = (unsigned)slash;
	wanted.explicit_in = manifest->transaction;
	wanted.reason = manifest->reason;
	struct manifest_entry *entry = copy_entry(&wanted, length);
	if (!entry)
		return error_memory();
	if (grow(manifest) < 0) {
		free(entry);
		return -ENOMEM;
	}
	manifest->entries[manifest->count] = entry;
	put_slot(manifest, manifest->count++);
	return 0;
}

const char *manifest_set_reason(struct manifest *manifest, const char *format, ...)
{
	const char *before = manifest->reason;
	char text[PATH_MAX];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (size_t i = manifest->reasons.count; i-- > 0;)
		if (!strcmp(manifest->reasons.items[i], text)) {
			manifest->reason = manifest->reasons.items[i];
			return before;
		}
	if (strings_add(&manifest->reasons, text) >= 0)
		manifest->reason = manifest->reasons.items[manifest->reasons.count - 1];
	return before;
}

void manifest_restore_reason(struct manifest *manifest, const char *reason)
{
	manifest->reason = reason;
}

/* 1 where the first `length` bytes of `path` are a directory of the manifest, 0 where they are nothing yet. */
static int is_directory(const struct manifest *manifest, const char *path, size_t length, uint32_t hash)
{
	const struct manifest_entry *entry = find(manifest, path, length, hash);
	if (!entry || entry->type == MANIFEST_DIRECTORY)
		return entry != NULL;
	return error_fail(VISO_STAGE_ROOT, EEXIST, entry->target,
			  "%s is %s%s in this root: nothing can be put beneath it", entry->target, describe(entry),
			  origin(entry));
}

/* Implies the directories above `target`. */
static int add_parents(struct manifest *manifest, const char *target, size_t length)
{
	size_t parent = length;
	while (target[parent - 1] != '/')
		parent--;
	/* The parent of "/usr" is "/", that of "/usr/lib" is "/usr". */
	parent = parent == 1 ? 1 : parent - 1;
	int r = is_directory(manifest, target, parent, hash_path(target, parent));
	for (size_t i = 1; r == 0 && i <= parent; i++) {
		if (i > 1 && target[i] != '/')
			continue;
		struct manifest_entry directory = {
			.type = MANIFEST_DIRECTORY, .target = target, .mode = IMPLIED_MODE, .implied = true};
		directory.hash = hash_path(target, i);
		r = is_directory(manifest, target, i, directory.hash);
		if (r == 1)
			r = 0;
		else if (r == 0)
			r = insert(manifest, directory, i);
	}
	return r < 0 ? r : 0;
}

static int add(struct manifest *manifest, struct manifest_entry wanted, enum manifest_conflict conflict)
{
	size_t length = strlen(wanted.target);
	if (length >= PATH_MAX)
		return error_fail(VISO_STAGE_ROOT, ENAMETOOLONG, wanted.target,
				  "a path in the root is longer than %d bytes", PATH_MAX - 1);
	wanted.hash = hash_path(wanted.target, length);
	struct manifest_entry *old = find(manifest, wanted.target, length, wanted.hash);
	if (old)
		return meet(manifest, old, &wanted, conflict);
	if (length > 1) {
		int r = add_parents(manifest, wanted.target, length);
		if (r < 0)
			return r;
	}
	return insert(manifest, wanted, length);
}

int manifest_add_file(struct manifest *manifest, const char *target, const char *source,
		      enum manifest_conflict conflict)
{
	return add(manifest, (struct manifest_entry){.type = MANIFEST_FILE, .target = target, .source = source},
		   conflict);
}

int manifest_add_data(struct manifest *manifest, const char *target, const void *data, size_t size, unsigned mode,
		      enum manifest_conflict conflict)
{
	return add(manifest,
		   (struct manifest_entry){
			   .type = MANIFEST_DATA, .target = target, .data = data, .size = size, .mode = mode & 0777},
		   conflict);
}

int manifest_add_link(struct manifest *manifest, const char *target, const char *text, enum manifest_conflict conflict)
{
	return add(manifest, (struct manifest_entry){.type = MANIFEST_LINK, .target = target, .source = text},
		   conflict);
}

int manifest_add_device(struct manifest *manifest, const char *target, dev_t device, unsigned mode,
			enum manifest_conflict conflict)
{
	return add(manifest,
		   (struct manifest_entry){.type = MANIFEST_DEVICE,
					   .target = target,
					   .device = device,
					   .mode = mode & 0777,
					   .is_block = S_ISBLK(mode)},
		   conflict);
}

int manifest_add_directory(struct manifest *manifest, const char *target, unsigned mode,
			   enum manifest_conflict conflict)
{
	return add(manifest,
		   (struct manifest_entry){.type = MANIFEST_DIRECTORY, .target = target, .mode = mode & 01777},
		   conflict);
}

int manifest_add_entry(struct manifest *manifest, const struct manifest_entry *wanted, enum manifest_conflict conflict)
{
	return add(manifest, *wanted, conflict);
}

int manifest_replace_data(struct manifest *manifest, const char *target, const void *data, size_t size)
{
	size_t length = strlen(target);
	struct manifest_entry *old = find(manifest, target, length, hash_path(target, length));
	struct manifest_entry wanted = *old;
	wanted.data = data;
	wanted.size = size;
	struct manifest_entry *entry = copy_entry(&wanted, length);
	if (!entry)
		return error_memory();
	for (size_t i = manifest->count; i-- > 0;)
		if (manifest->entries[i] == old)
			manifest->entries[i] = entry;
	free(old);
	return 0;
}

int manifest_imply_directory(struct manifest *manifest, const char *target)
{
	return add(manifest,
		   (struct manifest_entry){
			   .type = MANIFEST_DIRECTORY, .target = target, .mode = IMPLIED_MODE, .implied = true},
		   MANIFEST_REFUSE);
}

int manifest_follow(const struct manifest *manifest, const char *path, bool last, char *out)
{
	struct path_walk walk;
	int r = path_walk_begin(&walk, path);
	char done[PATH_MAX] = "";
	for (int links = 0; r >= 0 && path_walk_next(&walk);) {
		if (path_walk_is_dot_dot(&walk)) {
			path_pop(done);
			continue;
		}
		r = path_push(done, walk.component, walk.length);
		const struct manifest_entry *entry = r < 0 ? NULL : manifest_find(manifest, done);
		if (!entry || entry->type != MANIFEST_LINK || (!last && path_walk_is_last(&walk)))
			continue;
		if (links++ == FOLLOW_MAX)
			return error_fail(VISO_STAGE_ROOT, ELOOP, path,
					  "%s leads through links without an end in this root", path);
		path_pop(done);
		if (entry->source[0] == '/')
			done[0] = '\0';
		r = path_walk_insert(&walk, entry->source);
	}
	if (r < 0)
		return error_fail(VISO_STAGE_ROOT, -r, path, "%s, with the links of this root, is longer than %d bytes",
				  path, PATH_MAX - 1);
	strcpy(out, done[0] ? done : "/");
	return 0;
}

size_t manifest_mark(struct manifest *manifest)
{
	manifest->transaction++;
	return manifest->count;
}

void manifest_rollback(struct manifest *manifest, size_t mark)
{
	while (manifest->count > mark)
		free(manifest->entries[--manifest->count]);
	if (manifest->slots)
		memset(manifest->slots, 0, manifest->slot_count * sizeof(*manifest->slots));
	for (size_t i = 0; i < manifest->count; i++) {
		struct manifest_entry *entry = manifest->entries[i];
		if (entry->explicit_in == manifest->transaction) {
			entry->implied = true;
			entry->has_owner = false;
			entry->mode = IMPLIED_MODE;
		}
		put_slot(manifest, i);
	}
}

static int compare(const void *left, const void *right)
{
	const struct manifest_entry *a = *(struct manifest_entry *const *)left;
	const struct manifest_entry *b = *(struct manifest_entry *const *)right;
	unsigned common = a->name < b->name ? a->name : b->name;
	int order = memcmp(a->target, b->target, common);
	if (order)
		return order;
	if (a->name != b->name)
		return a->name < b->name ? -1 : 1;
	return strcmp(a->target + a->name, b->target + b->name);
}

struct manifest_entry **manifest_sorted(const struct manifest *manifest)
{
	struct manifest_entry **sorted = malloc((manifest->count + 1) * sizeof(*sorted));
	if (!sorted)
		return NULL;
	if (manifest->count)
		memcpy(sorted, manifest->entries, manifest->count * sizeof(*sorted));
	qsort(sorted, manifest->count, sizeof(*sorted), compare);
	return sorted;
}

void manifest_clear(struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->count; i++)
		free(manifest->entries[i]);
	free(manifest->entries);
	free(manifest->slots);
	strings_clear(&manifest->reasons);
	*manifest = (struct manifest){.source = manifest->source, .collected = manifest->collected};
}
