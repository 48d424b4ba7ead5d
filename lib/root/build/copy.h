/* SPDX-License-Identifier: MIT */
/* Copying the contents of one file as cheaply as the file systems allow. */
#ifndef ROOT_COPY_H
#define ROOT_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* What was learned from the files before; begins as {0}. */
struct copier {
	char *buffer;
	bool has_clone_failed; /* for files of `clone_device` */
	dev_t clone_device;
	bool has_range_failed;
	dev_t range_device;
};

/*
 * Copies what `source`, a regular file with the status `st`, contains now into the empty file `target`; holes stay
 * holes. What is appended meanwhile is not copied. 0 or a negative errno, without setting the error.
 */
int copy_contents(struct copier *copier, int source, int target, const struct stat *st);

/* Writes all of it. 0 or a negative errno, without setting the error. */
int copy_data(int fd, const void *data, size_t size);

void copier_clear(struct copier *copier);

#endif
