/* SPDX-License-Identifier: MIT */
#include "root/closure/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/failure.h"

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
static int open_regular(const char *path)
{
	/* O_NONBLOCK: a FIFO in the place of a library must not stop us. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		switch (errno) {
		case ENOENT:
		case ENOTDIR:
		case ELOOP:
		case ENAMETOOLONG:
		case ENXIO:
		case ENODEV:
			return -ENOENT;
		case EACCES:
		case EPERM:
			return -EACCES;
		default:
			return fail_path(errno, "open", path);
		}
	}
	struct stat st;
	if (fstat(fd, &st) < 0)
		return fail_path(errno, "examine", path);
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -ENOENT;
}

int objects_open(struct objects *objects, const char *path, struct object **out_object)
{
	for (size_t i = 0; i < objects->count; i++)
		if (!strcmp(objects->items[i]->path, path)) {
			*out_object = objects->items[i];
			return 0;
		}

	_cleanup_close_ int fd = open_regular(path);
	if (fd < 0)
		return fd;
	_cleanup_(cleanup_object) struct object *object = calloc(1, sizeof(*object));
	if (!object || !(object->path = strdup(path)))
		return error_memory();
	const char *slash = strrchr(path, '/');
	object->origin_length = slash > path ? (size_t)(slash - path) : 1;
	int r = elf_read(fd, path, &object->elf);
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
