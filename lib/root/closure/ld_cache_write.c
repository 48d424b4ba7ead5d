/* SPDX-License-Identifier: MIT */
#include "root/closure/ld_cache_write.h"

#include <byteswap.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/strings.h"
#include "root/closure/collected.h"
#include "root/closure/ld_cache.h"
#include "root/closure/ld_cache_format.h"
#include "root/manifest.h"

/* The lowest byte of the flags of libraries for glibc 2; the other ones are for libc 5 and earlier. */
enum { KIND_MASK = 0xff, KIND_LIBC6 = 0x03 };

struct entry {
	const char *name;
	const char *path;
	char *variant; /* of glibc-hwcaps, or NULL */
	uint32_t flags;
	bool is_private;
	unsigned order; /* in which they came: the first one of two with one name is the loader's */
};

struct list {
	struct entry *items;
	size_t count;
	size_t capacity;
};

static void list_clear(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].variant);
	free(list->items);
}

static int list_push(struct list *list, struct entry entry)
{
	static const char directory[] = "/glibc-hwcaps/";
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		struct entry *items = realloc(list->items, capacity * sizeof(*items));
		if (!items)
			return error_memory();
		list->items = items;
		list->capacity = capacity;
	}
	const char *variant = strstr(entry.path, directory);
	if (variant) {
		variant += sizeof(directory) - 1;
		entry.variant = strndup(variant, strcspn(variant, "/"));
		if (!entry.variant)
			return error_memory();
	}
	entry.order = (unsigned)list->count;
	list->items[list->count++] = entry;
	return 0;
}

static unsigned take_number(const char **text)
{
	unsigned number = 0;
	/* It may overflow, as the loader's does. */
	while (isdigit((unsigned char)**text))
		number = 10 * number + (unsigned)(*(*text)++ - '0');
	return number;
}

int ld_cache_compare(const char *a, const char *b)
{
	while (*a) {
		bool number_a = isdigit((unsigned char)*a), number_b = isdigit((unsigned char)*b);
		if (number_a && number_b) {
			int x = (int)take_number(&a), y = (int)take_number(&b);
			if (x != y)
				return x < y ? -1 : 1;
		} else if (number_a != number_b) {
			return number_a ? 1 : -1;
		} else if (*a != *b) {
			return *a - *b;
		} else {
			a++;
			b++;
		}
	}
	return *a - *b;
}

/* By name and flags, descending; then, as the loader reads on, variants by their names before what all can use. */
static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = ld_cache_compare(b->name, a->name);
	if (order)
		return order;
	if (a->flags != b->flags)
		return a->flags < b->flags ? 1 : -1;
	if (!a->variant != !b->variant)
		return a->variant ? -1 : 1;
	order = a->variant ? strcmp(a->variant, b->variant) : 0;
	if (order)
		return order;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* Where the directories of the entries lie in the root: they are few, and each is resolved once. */
struct places {
	struct strings names;
	struct strings targets;
};

static void places_clear(struct places *places)
{
	strings_clear(&places->names);
	strings_clear(&places->targets);
}

static const char *place_of(struct places *places, const struct manifest *manifest, const char *path, size_t length)
{
	char name[PATH_MAX], target[PATH_MAX];
	for (size_t i = places->names.count; i-- > 0;)
		if (!strncmp(places->names.items[i], path, length) && !places->names.items[i][length])
			return places->targets.items[i];
	memcpy(name, path, length);
	name[length] = '\0';
	if (manifest_follow(manifest, name, true, target) < 0)
		target[0] = '\0';
	if (strings_add(&places->names, name) < 0 || strings_add(&places->targets, target) < 0)
		return NULL;
	return places->targets.items[places->targets.count - 1];
}

/* 1 where the path is a file in the root, 0 where not, or -ENOMEM with the error set. */
static int is_present(struct places *places, const struct manifest *manifest, const char *path)
{
	char target[PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (path[0] != '/' || slash == path || slash - path >= PATH_MAX)
		return 0;
	const char *directory = place_of(places, manifest, path, (size_t)(slash - path));
	if (!directory)
		return error_memory();
	if (snprintf(target, sizeof(target), "%s%s", directory, slash) >= (int)sizeof(target))
		return 0;
	const struct manifest_entry *entry = manifest_find(manifest, target);
	if (entry && entry->type == MANIFEST_LINK && manifest_follow(manifest, target, true, target) >= 0)
		entry = manifest_find(manifest, target);
	return entry && (entry->type == MANIFEST_FILE || entry->type == MANIFEST_DATA);
}

static bool is_listed(const struct list *list, const char *name, uint32_t flags, const char *path)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].flags == flags && !strcmp(list->items[i].name, name) &&
		    (!path || !strcmp(list->items[i].path, path)))
			return true;
	return false;
}

/* What the source's own cache says and the root has. */
static int list_cached(struct list *list, const struct manifest *manifest, struct places *places,
		       const struct ld_cache *cache)
{
	for (size_t i = 0; i < cache->count; i++) {
		struct ld_cache_entry entry;
		if (!ld_cache_entry(cache, i, &entry) || (entry.flags & KIND_MASK) != KIND_LIBC6 ||
		    (!entry.baseline && !entry.variant))
			continue;
		int r = is_present(places, manifest, entry.path);
		if (r > 0)
			r = list_push(list,
				      (struct entry){.name = entry.name, .path = entry.path, .flags = entry.flags});
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether two libraries have this name, of which each is for its own program. */
static bool is_ambiguous(const struct collected *collected, const struct library *library)
{
	const char *slash = strrchr(library->path, '/');
	if (strstr(library->path, "/glibc-hwcaps/"))
		slash = strstr(library->path, "/glibc-hwcaps/");
	for (size_t i = 0; i < collected->count; i++) {
		const struct library *other = &collected->items[i];
		if (other->flags == library->flags && !strcmp(other->name, library->name) &&
		    strncmp(other->path, library->path, (size_t)(slash - library->path) + 1) != 0)
			return true;
	}
	return false;
}

static int list_collected(struct list *list, const struct manifest *manifest, struct places *places, bool big_endian,
			  bool is_private)
{
	const struct collected *collected = manifest->collected;
	const size_t before = list->count;
	for (size_t i = 0; i < collected->count; i++) {
		const struct library *library = &collected->items[i];
		if (library->is_private != is_private || library->big_endian != big_endian ||
		    is_listed(list, library->name, library->flags, library->path))
			continue;
		struct list others = {.items = list->items, .count = before};
		if (is_private &&
		    (is_listed(&others, library->name, library->flags, NULL) || is_ambiguous(collected, library)))
			continue;
		int r = is_present(places, manifest, library->path);
		if (r > 0)
			r = list_push(list, (struct entry){.name = library->name,
							   .path = library->path,
							   .flags = library->flags,
							   .is_private = is_private});
		if (r < 0)
			return r;
	}
	return 0;
}

/* The names of all variants, sorted as the loader's own list of them is. */
static int list_variants(const struct list *list, struct strings *variants)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *variant = list->items[i].variant;
		size_t at = 0;
		while (variant && at < variants->count && strcmp(variants->items[at], variant) < 0)
			at++;
		if (!variant || (at < variants->count && !strcmp(variants->items[at], variant)))
			continue;
		if (strings_add(variants, variant) < 0)
			return error_memory();
		char *added = variants->items[variants->count - 1];
		memmove(variants->items + at + 1, variants->items + at,
			(variants->count - 1 - at) * sizeof(*variants->items));
		variants->items[at] = added;
	}
	return 0;
}

struct writer {
	char *data;
	size_t size; /* of all */
	size_t end;  /* where the next string goes */
	bool swapped;
};

static uint32_t number(const struct writer *writer, uint32_t value)
{
	return writer->swapped ? bswap_32(value) : value;
}

static uint32_t put_string(struct writer *writer, const char *string)
{
	size_t at = writer->end, length = strlen(string) + 1;
	memcpy(writer->data + at, string, length);
	writer->end += length;
	return number(writer, (uint32_t)at);
}

static void put_entries(struct writer *writer, const struct list *list, const struct strings *variants)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct entry *from = &list->items[i];
		struct ld_cache_file_entry entry = {.flags = number(writer, from->flags)};
		uint64_t hwcap = 0;
		for (size_t j = 0; from->variant && j < variants->count; j++)
			if (!strcmp(from->variant, variants->items[j]))
				hwcap = LD_CACHE_EXTENSION | j;
		entry.hwcap = writer->swapped ? bswap_64(hwcap) : hwcap;
		entry.key = put_string(writer, from->name);
		entry.value = put_string(writer, from->path);
		memcpy(writer->data + sizeof(struct ld_cache_header) + i * sizeof(entry), &entry, sizeof(entry));
	}
}

/* The table of variants stands before their names; all of it is aligned to 4 bytes. */
static uint32_t put_variants(struct writer *writer, const struct strings *variants)
{
	if (!variants->count)
		return 0;
	writer->end = (writer->end + 3) & ~(size_t)3;
	size_t start = writer->end;
	size_t table = start + sizeof(struct ld_cache_extensions) + sizeof(struct ld_cache_section);
	struct ld_cache_extensions extensions = {number(writer, LD_CACHE_EXTENSION_MAGIC), number(writer, 1)};
	struct ld_cache_section section = {.tag = number(writer, LD_CACHE_TAG_VARIANTS),
					   .offset = number(writer, (uint32_t)table),
					   .size = number(writer, (uint32_t)(variants->count * sizeof(uint32_t)))};
	memcpy(writer->data + start, &extensions, sizeof(extensions));
	memcpy(writer->data + start + sizeof(extensions), &section, sizeof(section));
	writer->end = table + variants->count * sizeof(uint32_t);
	for (size_t i = 0; i < variants->count; i++) {
		uint32_t at = put_string(writer, variants->items[i]);
		memcpy(writer->data + table + i * sizeof(at), &at, sizeof(at));
	}
	return number(writer, (uint32_t)start);
}

static size_t size_of(const struct list *list, const struct strings *variants)
{
	size_t size = sizeof(struct ld_cache_header) + list->count * sizeof(struct ld_cache_file_entry);
	for (size_t i = 0; i < list->count; i++)
		size += strlen(list->items[i].name) + strlen(list->items[i].path) + 2;
	return size + 3 + sizeof(struct ld_cache_extensions) + sizeof(struct ld_cache_section) +
	       variants->count * sizeof(uint32_t) + variants->bytes;
}

static int write_cache(const struct list *list, bool big_endian, struct ld_cache_files *out)
{
	const bool host_is_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	struct strings variants = {0};
	int r = list_variants(list, &variants);
	struct writer writer = {.swapped = big_endian != host_is_big};
	writer.size = size_of(list, &variants);
	writer.end = sizeof(struct ld_cache_header) + list->count * sizeof(struct ld_cache_file_entry);
	if (r >= 0 && !(writer.data = calloc(1, writer.size)))
		r = error_memory();
	if (r >= 0) {
		struct ld_cache_header header = {
			.count = number(&writer, (uint32_t)list->count),
			.flags = big_endian ? LD_CACHE_BIG_ENDIAN : LD_CACHE_LITTLE_ENDIAN,
		};
		size_t strings = writer.end;
		memcpy(header.magic, LD_CACHE_MAGIC, sizeof(header.magic));
		put_entries(&writer, list, &variants);
		header.strings_size = number(&writer, (uint32_t)(writer.end - strings));
		header.extension = put_variants(&writer, &variants);
		memcpy(writer.data, &header, sizeof(header));
		out->cache = writer.data;
		out->size = writer.end;
	}
	strings_clear(&variants);
	return r;
}

/* One line for each directory of what only the cache knows. */
static int write_config(const struct list *list, struct ld_cache_files *out)
{
	size_t size = 1;
	for (size_t i = 0; i < list->count; i++)
		size += strlen(list->items[i].path) + 1;
	_cleanup_free_ char *config = malloc(size);
	char *end = config;
	if (!config)
		return error_memory();
	*end = '\0';
	for (size_t i = 0; i < list->count; i++) {
		const struct entry *entry = &list->items[i];
		char line[PATH_MAX + 2];
		int length = (int)(strrchr(entry->path, '/') - entry->path);
		/* ldconfig takes a line to its end, blanks included. */
		if (!entry->is_private || entry->variant || length >= PATH_MAX || strchr(entry->path, '\n'))
			continue;
		snprintf(line, sizeof(line), "%.*s\n", length, entry->path);
		const char *found = strstr(config, line);
		if (found && (found == config || found[-1] == '\n'))
			continue;
		end = stpcpy(end, line);
	}
	if (config[0])
		out->config = TAKE_PTR(config);
	return 0;
}

int ld_cache_make(const struct manifest *manifest, struct ld_cache_files *out)
{
	*out = (struct ld_cache_files){0};
	if (!manifest->collected || !manifest->collected->count)
		return 0;
	_cleanup_(list_clear) struct list list = {0};
	_cleanup_(places_clear) struct places places = {0};
	_cleanup_(ld_cache_clear) struct ld_cache cache;
	const bool big_endian = manifest->collected->items[0].big_endian;
	const bool host_is_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
	ld_cache_load(&cache, manifest->source, LD_CACHE_PATH);
	int r = 0;
	if ((cache.swapped ? !host_is_big : host_is_big) == big_endian)
		r = list_cached(&list, manifest, &places, &cache);
	if (r >= 0)
		r = list_collected(&list, manifest, &places, big_endian, false);
	if (r >= 0)
		r = list_collected(&list, manifest, &places, big_endian, true);
	if (r < 0)
		return r;
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), compare_entries);
	r = write_cache(&list, big_endian, out);
	if (r >= 0)
		r = write_config(&list, out);
	if (r < 0)
		ld_cache_files_clear(out);
	return r;
}

void ld_cache_files_clear(struct ld_cache_files *files)
{
	free(files->cache);
	free(files->config);
	*files = (struct ld_cache_files){0};
}
