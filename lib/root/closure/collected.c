/* SPDX-License-Identifier: MIT */
#include "root/closure/collected.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static struct library *find(const struct collected *collected, const struct library *wanted)
{
	for (size_t i = 0; i < collected->count; i++) {
		struct library *library = &collected->items[i];
		if (library->flags == wanted->flags && !strcmp(library->name, wanted->name) &&
		    !strcmp(library->path, wanted->path))
			return library;
	}
	return NULL;
}

static int make_room(struct collected *collected)
{
	if (collected->count < collected->capacity)
		return 0;
	size_t capacity = collected->capacity ? 2 * collected->capacity : 32;
	struct library *items = realloc(collected->items, capacity * sizeof(*items));
	if (!items)
		return error_memory();
	collected->items = items;
	collected->capacity = capacity;
	return 0;
}

int collected_add(struct collected *collected, const struct library *library)
{
	struct library *old = find(collected, library);
	if (old) {
		old->is_private &= library->is_private;
		return 0;
	}
	if (make_room(collected) < 0)
		return -ENOMEM;
	struct library copy = *library;
	copy.name = strdup(library->name);
	copy.path = strdup(library->path);
	if (!copy.name || !copy.path) {
		free(copy.name);
		free(copy.path);
		return error_memory();
	}
	collected->items[collected->count++] = copy;
	return 0;
}

int collected_set_program(struct collected *collected, const char *path)
{
	if (collected->first_program)
		return 0;
	collected->first_program = strdup(path);
	return collected->first_program ? 0 : error_memory();
}

static void drop(struct collected *collected, size_t count)
{
	while (collected->count > count) {
		struct library *library = &collected->items[--collected->count];
		free(library->name);
		free(library->path);
	}
}

void collected_mark(struct collected *collected)
{
	collected->mark = collected->count;
	collected->had_program = collected->first_program;
}

void collected_rollback(struct collected *collected)
{
	drop(collected, collected->mark);
	if (collected->had_program)
		return;
	free(collected->first_program);
	collected->first_program = NULL;
}

void collected_clear(struct collected *collected)
{
	drop(collected, 0);
	free(collected->items);
	free(collected->first_program);
	*collected = (struct collected){0};
}
