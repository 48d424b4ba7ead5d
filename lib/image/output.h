/* SPDX-License-Identifier: MIT */
/* The file that an image is written into: it has no name, or another one, until it is complete. */
#ifndef IMAGE_OUTPUT_H
#define IMAGE_OUTPUT_H

#include <limits.h>

struct output {
	int directory;
	int fd;
	const char *path;
	const char *name;             /* in the directory */
	char temporary[NAME_MAX + 1]; /* "" while it has no name at all */
};

/* `path` is absolute. 0, or a negative errno with the error set. */
int output_open(struct output *output, const char *path);

/* Gives it its name, in the place of what is there. 0, or a negative errno with the error set. */
int output_finish(struct output *output);

/* Removes what was not finished. */
void output_clear(struct output *output);

#endif
