/* SPDX-License-Identifier: MIT */
/* Copying the contents of one file as cheaply as the file systems allow. */
#ifndef ROOT_COPY_H
#define ROOT_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <virtiso/root.h>

#include "root/build/progress.h"
#include "root/record/sum.h"

/* What was learned from the files before. */
struct copier {
	struct progress *progress;
	viso_copy_method method; /* HARDLINK copies like AUTO */
	char *buffer;
	bool has_clone_failed; /* for files of `clone_device` */
	dev_t clone_device;
	bool has_range_failed;
	dev_t range_device;
};

/*
 * Copies what `source`, a regular file with the status `st`, contains now into the empty file `target`; holes stay
 * holes. With `sum` it computes the sum_any() of it. 0 or a negative errno, without setting the error: -EAGAIN the
 * file has changed meanwhile, -ENODATA it waits for contents that do not exist yet, -EOPNOTSUPP blocks cannot be
 * shared, -ECANCELED (with the error set).
 */
int copy_contents(struct copier *copier, int source, int target, const struct stat *st, char *sum);

/* Shares the blocks of an open file. 1 done, 0 not possible, or a negative errno. */
int copy_clone(struct copier *copier, int source, int target, const struct stat *st);

void copier_clear(struct copier *copier);

#endif
