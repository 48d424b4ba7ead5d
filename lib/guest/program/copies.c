/* SPDX-License-Identifier: MIT */
#include "guest/program/copies.h"

#include <errno.h>
#include <stdlib.h>

#include "guest/program/events/epoll.h"
#include "guest/program/program.h"

static size_t first_place(const struct copy_map *map, const void *from)
{
	/* Fibonacci hashing; the lowest bits of an address tell nothing. */
	return (size_t)(((uintptr_t)from >> 4) * 0x9e3779b97f4a7c15ull >> 20) & (map->capacity - 1);
}

static struct copied *place_of(const struct copy_map *map, const void *from)
{
	size_t at = first_place(map, from);
	while (map->entries[at].from && map->entries[at].from != from)
		at = (at + 1) & (map->capacity - 1);
	return &map->entries[at];
}

void *copy_map_find(const struct copy_map *map, const void *from)
{
	return from && map->capacity ? place_of(map, from)->to : NULL;
}

static int grow(struct copy_map *map)
{
	struct copy_map larger = {.count = map->count, .capacity = map->capacity ? 2 * map->capacity : 32};
	larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
	if (!larger.entries)
		return -ENOMEM;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->entries[i].from)
			*place_of(&larger, map->entries[i].from) = map->entries[i];
	free(map->entries);
	*map = larger;
	return 0;
}

int copy_map_add(struct copy_map *map, const void *from, void *to)
{
	if (2 * (map->count + 1) > map->capacity && grow(map) < 0)
		return -ENOMEM;
	*place_of(map, from) = (struct copied){from, to};
	map->count++;
	return 0;
}

/* Output is captured by the first program for all of them. */
static void find_capture(const struct copies *copies, struct file *copy)
{
	for (int i = 0; i < 2; i++)
		if (copy->capture == &copies->from->captured[i]) {
			copy->capture = &copies->program->captured[i];
			return;
		}
}

/* A file that counted as open does so again. */
static int count(struct copies *copies, const struct file *file, struct file *copy)
{
	if (!file->view || copy->view)
		return 0;
	if (!file->has_host_fd || copy->fd < 0)
		return program_count_file(copies->program, copy);
	return program_take_host_fd(copies->program, copy) ? 0 : -ENFILE;
}

int copies_file(struct copies *copies, struct file *file, struct file **out)
{
	struct file *copy = copy_map_find(&copies->files, file);
	if (!copy) {
		int r = file_copy(file, copies, &copy);
		if (r == 0) {
			find_capture(copies, copy);
			r = count(copies, file, copy);
			if (r == 0)
				r = copy_map_add(&copies->files, file, copy);
			if (r < 0)
				file_unref(copy);
		}
		if (r < 0)
			return r;
	}
	*out = file_ref(copy);
	return 0;
}

int copies_watch(struct copies *copies)
{
	int r = 0;
	for (size_t i = 0; i < copies->files.capacity && r == 0; i++)
		if (copies->files.entries[i].from)
			r = epoll_copy_items(copies, copies->files.entries[i].from, copies->files.entries[i].to);
	return r;
}

void copies_release(struct copies *copies)
{
	for (size_t i = 0; i < copies->files.capacity; i++)
		file_unref(copies->files.entries[i].to);
	free(copies->files.entries);
	free(copies->channels.entries);
	free(copies->tasks.entries);
}
