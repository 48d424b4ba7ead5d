/* SPDX-License-Identifier: MIT */
/* A file that is to be booted. It may change, or be cut, while it is read: it is never mapped, and each part is read
 * once. */
#ifndef GUEST_KERNEL_BOOT_IMAGE_H
#define GUEST_KERNEL_BOOT_IMAGE_H

#include <stdint.h>

#include "guest/device/ram.h"

struct image {
	int fd; /* owned; -1 for none */
	uint64_t size;
	const char *path; /* borrowed, for errors */
};

/* 0 or a negative errno with the error set. */
int image_open(struct image *image, const char *path);
/* The same of a file that is open: with a fd of its own. */
int image_take(struct image *image, int fd, const char *name);
void image_close(struct image *image);

/* All of these bytes; -ENOEXEC, with the error set, where the file does not have them. */
int image_read(const struct image *image, uint64_t offset, void *data, uint64_t size);

/* The same into the guest's memory; -ENOSPC where that is not there. */
int image_load(const struct image *image, uint64_t offset, const struct ram *ram, uint64_t address, uint64_t size);

/* -ENOEXEC with "PATH: what is wrong", and -ENOSPC. */
int image_fail(const struct image *image, const char *what);
int image_fail_space(const struct image *image, const char *what);

#endif
