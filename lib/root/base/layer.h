/* SPDX-License-Identifier: MIT */
/* Unpacking one tar archive into a base. */
#ifndef ROOT_LAYER_H
#define ROOT_LAYER_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdint.h>

#include "root/base/base.h"
#include "root/base/libarchive.h"

/* What is read: an open regular file. */
struct layer_input {
	int fd;
	const char *name;        /* for errors */
	uint64_t size;           /* with `hash`: no more than this is read */
	struct sha256_ctx *hash; /* of all that was read; NULL where nobody asks */
	uint64_t done;
	int error; /* a positive errno, where reading has failed */
	char buffer[16 << 10];
};

/* Reads a piece into the buffer. Its length, 0 at the end, or -1 with `error` set. */
ssize_t layer_read(struct layer_input *input);

/*
 * Unpacks it above what the base has. With `whiteouts`, names that begin with ".wh." hide what earlier layers have. 0,
 * or with the error set: -EINVAL it is no archive, or a damaged one, -EPERM a name leads out, -EFBIG, -ENOSPC, -EIO,
 * -ENOMEM.
 */
int layer_unpack(struct base *base, const struct libarchive *library, unsigned compressions, struct layer_input *input,
		 bool whiteouts);

#endif
