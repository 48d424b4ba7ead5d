/* SPDX-License-Identifier: MIT */
/*
 * The images of criu(8), as far as they have to be changed. One is two magic numbers, then a length of 32 bits and a
 * message of Protocol Buffers (https://criu.org/Images), here of type mm_entry, in which a field is the id of the file
 * that is executed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/restore.h"
#include "core/cleanup.h"
#include "core/error.h"

enum { IMAGE_MAX = 4 << 20, LENGTH_AT = 8, MESSAGE_AT = 12, EXE_FILE_ID = 12 };
enum { VARINT = 0, FIXED_64 = 1, BYTES = 2, FIXED_32 = 5 };

struct image {
	unsigned char *bytes; /* with room for one more number */
	size_t size;
};

/* A number of seven bits to the byte; false where it does not end. */
static bool read_number(const struct image *image, size_t *at, uint64_t *out_number)
{
	*out_number = 0;
	for (unsigned shift = 0; *at < image->size && shift < 64; shift += 7) {
		unsigned char byte = image->bytes[(*at)++];
		*out_number |= (uint64_t)(byte & 127) << shift;
		if (!(byte & 128))
			return true;
	}
	return false;
}

/* Finds where the number of the executed file begins and ends. */
static bool find_program(const struct image *image, size_t *out_from, size_t *out_to)
{
	for (size_t at = MESSAGE_AT; at < image->size;) {
		uint64_t key, value;
		if (!read_number(image, &at, &key))
			return false;
		*out_from = at;
		switch (key & 7) {
		case VARINT:
		case BYTES:
			if (!read_number(image, &at, &value) || ((key & 7) == BYTES && value > image->size - at))
				return false;
			at += (key & 7) == BYTES ? value : 0;
			break;
		case FIXED_64:
		case FIXED_32:
			at += (key & 7) == FIXED_64 ? 8 : 4;
			break;
		default:
			return false;
		}
		*out_to = at;
		if (key == (EXE_FILE_ID << 3 | VARINT))
			return true;
	}
	return false;
}

static bool read_image(int directory, const char *name, struct image *image)
{
	enum { ROOM = 16 };
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	*image = (struct image){.bytes = malloc(IMAGE_MAX + ROOM)};
	ssize_t n = fd < 0 || !image->bytes ? -1 : read(fd, image->bytes, IMAGE_MAX);
	image->size = n > 0 ? (size_t)n : 0;
	return n > MESSAGE_AT && n < IMAGE_MAX;
}

static bool write_image(int directory, const char *name, const struct image *image)
{
	_cleanup_close_ int fd = openat(directory, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && write(fd, image->bytes, image->size) == (ssize_t)image->size;
}

/* The memory of any process but the init: its name is left in `name`. */
static bool find_other(int directory, char name[static NAME_MAX + 1])
{
	int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *list = copy < 0 ? NULL : fdopendir(copy);
	for (struct dirent *entry; list && (entry = readdir(list));)
		if (!strncmp(entry->d_name, "mm-", 3) && strcmp(entry->d_name, "mm-1.img")) {
			snprintf(name, NAME_MAX + 1, "%s", entry->d_name);
			return true;
		}
	return false;
}

static bool exchange(struct image *init, const struct image *other)
{
	size_t from, to, other_from, other_to;
	if (!find_program(init, &from, &to) || !find_program(other, &other_from, &other_to))
		return false;
	size_t length = other_to - other_from;
	memmove(init->bytes + from + length, init->bytes + to, init->size - to);
	memcpy(init->bytes + from, other->bytes + other_from, length);
	init->size += length - (to - from);
	uint32_t message = (uint32_t)(init->size - MESSAGE_AT);
	memcpy(init->bytes + LENGTH_AT, &message, sizeof(message));
	return true;
}

int images_name_program(int directory)
{
	struct image init = {0}, other = {0};
	char name[NAME_MAX + 1];
	bool done = read_image(directory, "mm-1.img", &init) && find_other(directory, name) &&
		    read_image(directory, name, &other) && exchange(&init, &other) &&
		    write_image(directory, "mm-1.img", &init);
	free(init.bytes);
	free(other.bytes);
	return done ? 0
		    : error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "mm-1.img",
				 "the images that criu has written are not of the form that is known");
}
