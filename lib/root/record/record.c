/* SPDX-License-Identifier: MIT */
#include "root/record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/manifest.h"

enum { TEXT_SIZE = 64 << 10 };

/* Strings are put one behind the other into blocks, and freed with them. */
struct record_text {
	struct record_text *before;
	size_t used, size;
	char bytes[];
};

static void read_boot(char *boot, size_t size)
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, boot, size - 1);
	boot[n < 0 ? 0 : n] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
}

viso_manifest *record_new(void)
{
	viso_manifest *record = calloc(1, sizeof(*record));
	if (!record) {
		error_memory();
		return NULL;
	}
	handle_init(&record->handle);
	read_boot(record->boot, sizeof(record->boot));
	return record;
}

bool record_is_of_this_boot(const viso_manifest *record)
{
	char boot[sizeof(record->boot)];
	read_boot(boot, sizeof(boot));
	return boot[0] && !strcmp(boot, record->boot);
}

char *record_reserve(viso_manifest *record, size_t size)
{
	struct record_text *block = record->text;
	if (!block || block->size - block->used < size) {
		size_t block_size = size < TEXT_SIZE ? TEXT_SIZE : size;
		block = malloc(sizeof(*block) + block_size);
		if (!block) {
			error_memory();
			return NULL;
		}
		*block = (struct record_text){.before = record->text, .size = block_size};
		record->text = block;
	}
	char *room = block->bytes + block->used;
	block->used += size;
	return room;
}

const char *record_keep(viso_manifest *record, const char *text, size_t length)
{
	char *copy = record_reserve(record, length + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

static struct record_entry *add_entry(viso_manifest *record)
{
	if (record->count == record->capacity) {
		size_t capacity = record->capacity ? 2 * record->capacity : 64;
		struct record_entry *entries = reallocarray(record->entries, capacity, sizeof(*entries));
		if (!entries) {
			error_memory();
			return NULL;
		}
		record->entries = entries;
		record->capacity = capacity;
	}
	return &record->entries[record->count++];
}

struct record_entry *record_add_kept(viso_manifest *record, const char *path, size_t length)
{
	struct record_entry *entry = add_entry(record);
	if (!entry)
		return NULL;
	const char *slash = memrchr(path, '/', length);
	*entry = (struct record_entry){
		.path = path, .link = "", .reason = "", .name = slash ? (unsigned)(slash - path) + 1 : 0};
	return entry;
}

struct record_entry *record_add(viso_manifest *record, const char *path, size_t length)
{
	path = record_keep(record, path, length);
	return path ? record_add_kept(record, path, length) : NULL;
}

/* Many entries have the same reason, one after the other. */
static const char *keep_reason(viso_manifest *record, const char *reason)
{
	if (!reason || !*reason)
		return "";
	if (record->count > 1 && !strcmp(record->entries[record->count - 2].reason, reason))
		return record->entries[record->count - 2].reason;
	return record_keep(record, reason, strlen(reason));
}

static bool fill(viso_manifest *record, struct record_entry *entry, const struct manifest_entry *plan)
{
	static const viso_entry_type types[] = {
		[MANIFEST_DIRECTORY] = VISO_ENTRY_DIRECTORY, [MANIFEST_FILE] = VISO_ENTRY_FILE,
		[MANIFEST_DATA] = VISO_ENTRY_FILE,           [MANIFEST_LINK] = VISO_ENTRY_LINK,
		[MANIFEST_DEVICE] = VISO_ENTRY_DEVICE,
	};
	entry->type = types[plan->type];
	entry->mode = plan->type == MANIFEST_LINK ? 0777 : plan->mode;
	entry->reason = keep_reason(record, plan->reason);
	if (plan->type == MANIFEST_LINK)
		entry->link = record_keep(record, plan->source, strlen(plan->source));
	entry->size = plan->type == MANIFEST_DATA ? plan->size : 0;
	entry->device = plan->device;
	entry->is_block = plan->is_block;
	return entry->reason && entry->link;
}

viso_manifest *record_from_plan(struct manifest_entry *const *sorted, size_t count)
{
	viso_manifest *record = record_new();
	for (size_t i = 0; record && i < count; i++) {
		struct record_entry *entry = record_add(record, sorted[i]->target, strlen(sorted[i]->target));
		if (!entry || !fill(record, entry, sorted[i]))
			record = viso_manifest_unref(record);
	}
	return record;
}

static bool add_copy(viso_manifest *record, const struct record_entry *from)
{
	struct record_entry *entry = record_add(record, from->path, strlen(from->path));
	if (!entry)
		return false;
	const char *path = entry->path;
	*entry = *from;
	entry->path = path;
	entry->reason = keep_reason(record, from->reason);
	if (from->link[0])
		entry->link = record_keep(record, from->link, strlen(from->link));
	else
		entry->link = "";
	return entry->reason && entry->link;
}

viso_manifest *record_merge(const viso_manifest *first, const viso_manifest *second)
{
	viso_manifest *record = record_new();
	size_t i = 0, j = 0;
	while (record && (i < first->count || j < second->count)) {
		const struct record_entry *a = i < first->count ? &first->entries[i] : NULL;
		const struct record_entry *b = j < second->count ? &second->entries[j] : NULL;
		int order = !a ? 1 : !b ? -1 : record_compare(a->path, a->name, b->path, b->name);
		i += order <= 0;
		j += order >= 0;
		if (!add_copy(record, order <= 0 ? a : b))
			record = viso_manifest_unref(record);
	}
	return record;
}

viso_manifest *record_copy(const viso_manifest *record)
{
	static const viso_manifest none;
	viso_manifest *copy = record_merge(record, &none);
	if (copy)
		strcpy(copy->boot, record->boot);
	return copy;
}

void record_compact(viso_manifest *record)
{
	size_t kept = 0;
	for (size_t i = 0; i < record->count; i++)
		if (record->entries[i].type)
			record->entries[kept++] = record->entries[i];
	record->count = kept;
}

int record_compare(const char *left, unsigned left_name, const char *right, unsigned right_name)
{
	int order = memcmp(left, right, left_name < right_name ? left_name : right_name);
	if (order)
		return order;
	if (left_name != right_name)
		return left_name < right_name ? -1 : 1;
	return strcmp(left + left_name, right + right_name);
}

struct record_entry *record_find(const viso_manifest *record, const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!record || !slash)
		return NULL;
	unsigned name = (unsigned)(slash - path) + 1;
	size_t low = 0, high = record->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct record_entry *entry = &record->entries[middle];
		int order = record_compare(path, name, entry->path, entry->name);
		if (!order)
			return entry;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

struct record_entry *record_find_next(const viso_manifest *record, const char *path, unsigned name, size_t *cursor)
{
	for (; *cursor < record->count; ++*cursor) {
		struct record_entry *entry = &record->entries[*cursor];
		int order = record_compare(path, name, entry->path, entry->name);
		if (order <= 0)
			return order ? NULL : entry;
	}
	return NULL;
}

viso_manifest *viso_manifest_ref(viso_manifest *manifest)
{
	if (manifest)
		handle_ref(&manifest->handle);
	return manifest;
}

viso_manifest *viso_manifest_unref(viso_manifest *manifest)
{
	if (!manifest || !handle_unref(&manifest->handle))
		return NULL;
	for (struct record_text *block = manifest->text, *before; block; block = before) {
		before = block->before;
		free(block);
	}
	free(manifest->entries);
	free(manifest);
	return NULL;
}
