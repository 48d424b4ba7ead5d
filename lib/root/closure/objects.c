/* SPDX-License-Identifier: MIT */
#include "root/closure/objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/failure.h"
#include "root/source.h"

static struct object *object_free(struct object *object)
{
	if (object) {
		elf_clear(&object->elf);
		free(object->path);
		free(object);
	}
	return NULL;
}

static void cleanup_object(struct object **object)
{
	object_free(*object);
}

static int make_room(struct objects *objects)
{
	if (objects->count < objects->capacity)
		return 0;
	size_t capacity = objects->capacity ? 2 * objects->capacity : 32;
	struct object **items = realloc(objects->items, capacity * sizeof(*items));
	if (!items)
		return error_memory();
	objects->items = items;
	objects->capacity = capacity;
	return 0;
}

/* A fd of a regular file, or a negative errno, without setting the error where it is an ordinary one of a search. */
static int open_library(const struct source *source, const char *path)
{
	struct stat st;
	int fd = source_open_file(source, path, &st);
	switch (-fd) {
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case ENXIO:
	case ENODEV:
	case EINVAL: /* not a regular file */
		return -ENOENT;
	case EACCES:
	case EPERM:
		return -EACCES;
	default:
		return fd < 0 ? fail_path(-fd, "open", path) : fd;
	}
}

int objects_open(struct objects *objects, const char *path, const struct elf_kind *kind, struct object **out_object)
{
	for (size_t i = 0; i < objects->count; i++)
		if (!strcmp(objects->items[i]->path, path)) {
			*out_object = objects->items[i];
			return kind && !elf_is_same_kind(kind, &objects->items[i]->elf.kind);
		}

	_cleanup_close_ int fd = open_library(objects->source, path);
	if (fd < 0)
		return fd;
	_cleanup_(cleanup_object) struct object *object = calloc(1, sizeof(*object));
	if (!object || !(object->path = strdup(path)))
		return error_memory();
	const char *slash = strrchr(path, '/');
	object->origin_length = slash > path ? (size_t)(slash - path) : 1;
	int r = elf_read_kind(fd, path, kind, &object->elf);
	if (r != 0)
		return r;
	r = make_room(objects);
	if (r < 0)
		return r;
	*out_object = objects->items[objects->count++] = TAKE_PTR(object);
	return 0;
}

void objects_clear(struct objects *objects)
{
	for (size_t i = 0; i < objects->count; i++)
		object_free(objects->items[i]);
	free(objects->items);
	*objects = (struct objects){0};
}
