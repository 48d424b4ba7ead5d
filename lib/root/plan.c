/* SPDX-License-Identifier: MIT */
#include "root/plan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

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

static struct plan_entry *find(const struct plan *plan, const char *target, size_t length, uint32_t hash)
{
	if (!plan->slot_count)
		return NULL;
	for (size_t i = hash & (plan->slot_count - 1); plan->slots[i]; i = (i + 1) & (plan->slot_count - 1)) {
		struct plan_entry *entry = plan->entries[plan->slots[i] - 1];
		if (entry->hash == hash && !strncmp(entry->target, target, length) && !entry->target[length])
			return entry;
	}
	return NULL;
}

struct plan_entry *plan_find(const struct plan *plan, const char *target)
{
	size_t length = strlen(target);
	return find(plan, target, length, hash_path(target, length));
}

static void put_slot(struct plan *plan, size_t index)
{
	size_t i = plan->entries[index]->hash & (plan->slot_count - 1);
	while (plan->slots[i])
		i = (i + 1) & (plan->slot_count - 1);
	plan->slots[i] = (uint32_t)index + 1;
}

/* Room for one more entry, with at least half of the slots free. */
static int grow(struct plan *plan)
{
	if (plan->count < plan->capacity)
		return 0;
	size_t capacity = plan->capacity ? 2 * plan->capacity : 128;
	struct plan_entry **entries = realloc(plan->entries, capacity * sizeof(*entries));
	if (!entries)
		return error_memory();
	plan->entries = entries;
	uint32_t *slots = calloc(2 * capacity, sizeof(*slots));
	if (!slots)
		return error_memory();
	free(plan->slots);
	plan->slots = slots;
	plan->slot_count = 2 * capacity;
	plan->capacity = capacity;
	for (size_t i = 0; i < plan->count; i++)
		put_slot(plan, i);
	return 0;
}

/* A copy of `wanted` with all that it points to, in one block. */
static struct plan_entry *copy_entry(const struct plan_entry *wanted, size_t length)
{
	size_t source = wanted->source ? strlen(wanted->source) + 1 : 0;
	/* Most files have the same path in the root as on the host. */
	bool same = source == length + 1 && !memcmp(wanted->source, wanted->target, length);
	struct plan_entry *entry = malloc(sizeof(*entry) + length + 1 + (same ? 0 : source) + wanted->size);
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

static bool is_same(const struct plan_entry *a, const struct plan_entry *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case PLAN_DIRECTORY:
		return true;
	case PLAN_FILE:
	case PLAN_LINK:
		return !strcmp(a->source, b->source);
	case PLAN_DATA:
		return a->mode == b->mode && a->size == b->size && (!a->size || !memcmp(a->data, b->data, a->size));
	case PLAN_DEVICE:
		return a->mode == b->mode && a->device == b->device;
	}
	return false;
}

static const char *describe(const struct plan_entry *entry)
{
	static const char *const names[] = {
		[PLAN_DIRECTORY] = "a directory",
		[PLAN_FILE] = "a file that was added from ",
		[PLAN_DATA] = "a file with given contents",
		[PLAN_LINK] = "a symbolic link to ",
		[PLAN_DEVICE] = "a device",
	};
	return names[entry->type];
}

static int meet(struct plan *plan, struct plan_entry *old, const struct plan_entry *wanted, enum plan_conflict conflict)
{
	if (!is_same(old, wanted)) {
		if (conflict == PLAN_KEEP)
			return 0;
		return error_fail(VISO_STAGE_ROOT, EEXIST, wanted->target, "%s is %s%s in this root already",
				  wanted->target, describe(old), old->source ? old->source : "");
	}
	if (old->implied && !wanted->implied) {
		old->implied = false;
		old->mode = wanted->mode;
		old->explicit_in = plan->transaction;
	}
	return 0;
}

/* Adds an entry that is not there yet and whose parent is. */
static int insert(struct plan *plan, struct plan_entry wanted, size_t length)
{
	size_t slash = length;
	while (slash && wanted.target[slash - 1] != '/')
		slash--;
	wanted.name = (unsigned)slash;
	wanted.explicit_in = plan->transaction;
	struct plan_entry *entry = copy_entry(&wanted, length);
	if (!entry)
		return error_memory();
	if (grow(plan) < 0) {
		free(entry);
		return -ENOMEM;
	}
	plan->entries[plan->count] = entry;
	put_slot(plan, plan->count++);
	return 0;
}

/* 1 where the first `length` bytes of `path` are a directory of the plan, 0 where they are nothing yet. */
static int is_directory(const struct plan *plan, const char *path, size_t length, uint32_t hash)
{
	const struct plan_entry *entry = find(plan, path, length, hash);
	if (!entry || entry->type == PLAN_DIRECTORY)
		return entry != NULL;
	return error_fail(VISO_STAGE_ROOT, EEXIST, entry->target,
			  "%s is %s%s in this root: nothing can be put beneath it", entry->target, describe(entry),
			  entry->source ? entry->source : "");
}

/* Implies the directories above `target`. */
static int add_parents(struct plan *plan, const char *target, size_t length)
{
	size_t parent = length;
	while (target[parent - 1] != '/')
		parent--;
	/* The parent of "/usr" is "/", that of "/usr/lib" is "/usr". */
	parent = parent == 1 ? 1 : parent - 1;
	int r = is_directory(plan, target, parent, hash_path(target, parent));
	for (size_t i = 1; r == 0 && i <= parent; i++) {
		if (i > 1 && target[i] != '/')
			continue;
		struct plan_entry directory = {
			.type = PLAN_DIRECTORY, .target = target, .mode = IMPLIED_MODE, .implied = true};
		directory.hash = hash_path(target, i);
		r = is_directory(plan, target, i, directory.hash);
		if (r == 1)
			r = 0;
		else if (r == 0)
			r = insert(plan, directory, i);
	}
	return r < 0 ? r : 0;
}

static int add(struct plan *plan, struct plan_entry wanted, enum plan_conflict conflict)
{
	size_t length = strlen(wanted.target);
	if (length >= PATH_MAX)
		return error_fail(VISO_STAGE_ROOT, ENAMETOOLONG, wanted.target,
				  "a path in the root is longer than %d bytes", PATH_MAX - 1);
	wanted.hash = hash_path(wanted.target, length);
	struct plan_entry *old = find(plan, wanted.target, length, wanted.hash);
	if (old)
		return meet(plan, old, &wanted, conflict);
	if (length > 1) {
		int r = add_parents(plan, wanted.target, length);
		if (r < 0)
			return r;
	}
	return insert(plan, wanted, length);
}

int plan_add_file(struct plan *plan, const char *target, const char *source, enum plan_conflict conflict)
{
	return add(plan, (struct plan_entry){.type = PLAN_FILE, .target = target, .source = source}, conflict);
}

int plan_add_data(struct plan *plan, const char *target, const void *data, size_t size, unsigned mode,
		  enum plan_conflict conflict)
{
	return add(plan,
		   (struct plan_entry){
			   .type = PLAN_DATA, .target = target, .data = data, .size = size, .mode = mode & 0777},
		   conflict);
}

int plan_add_link(struct plan *plan, const char *target, const char *text, enum plan_conflict conflict)
{
	return add(plan, (struct plan_entry){.type = PLAN_LINK, .target = target, .source = text}, conflict);
}

int plan_add_device(struct plan *plan, const char *target, dev_t device, unsigned mode, enum plan_conflict conflict)
{
	return add(plan,
		   (struct plan_entry){.type = PLAN_DEVICE, .target = target, .device = device, .mode = mode & 0777},
		   conflict);
}

int plan_add_directory(struct plan *plan, const char *target, unsigned mode, enum plan_conflict conflict)
{
	return add(plan, (struct plan_entry){.type = PLAN_DIRECTORY, .target = target, .mode = mode & 01777}, conflict);
}

int plan_imply_directory(struct plan *plan, const char *target)
{
	return add(plan,
		   (struct plan_entry){.type = PLAN_DIRECTORY, .target = target, .mode = IMPLIED_MODE, .implied = true},
		   PLAN_REFUSE);
}

int plan_follow(const struct plan *plan, const char *path, bool last, char *out)
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
		const struct plan_entry *entry = r < 0 ? NULL : plan_find(plan, done);
		if (!entry || entry->type != PLAN_LINK || (!last && path_walk_is_last(&walk)))
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

size_t plan_mark(struct plan *plan)
{
	plan->transaction++;
	return plan->count;
}

void plan_rollback(struct plan *plan, size_t mark)
{
	while (plan->count > mark)
		free(plan->entries[--plan->count]);
	if (plan->slots)
		memset(plan->slots, 0, plan->slot_count * sizeof(*plan->slots));
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_entry *entry = plan->entries[i];
		if (entry->explicit_in == plan->transaction) {
			entry->implied = true;
			entry->mode = IMPLIED_MODE;
		}
		put_slot(plan, i);
	}
}

static int compare(const void *left, const void *right)
{
	const struct plan_entry *a = *(struct plan_entry *const *)left;
	const struct plan_entry *b = *(struct plan_entry *const *)right;
	unsigned common = a->name < b->name ? a->name : b->name;
	int order = memcmp(a->target, b->target, common);
	if (order)
		return order;
	if (a->name != b->name)
		return a->name < b->name ? -1 : 1;
	return strcmp(a->target + a->name, b->target + b->name);
}

struct plan_entry **plan_sorted(const struct plan *plan)
{
	struct plan_entry **sorted = malloc((plan->count + 1) * sizeof(*sorted));
	if (!sorted)
		return NULL;
	if (plan->count)
		memcpy(sorted, plan->entries, plan->count * sizeof(*sorted));
	qsort(sorted, plan->count, sizeof(*sorted), compare);
	return sorted;
}

void plan_clear(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		free(plan->entries[i]);
	free(plan->entries);
	free(plan->slots);
	*plan = (struct plan){0};
}
