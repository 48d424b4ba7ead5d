/* SPDX-License-Identifier: MIT */
/*
 * How a tree goes to the process that makes it inside a sandbox (receive.c): a record for each entry, in the
 * order of a walk, each followed by its name, and a file or link by its data. A directory ends by a record of its own.
 * Both ends are built from one tree.
 */
#ifndef LAUNCH_COPY_STREAM_H
#define LAUNCH_COPY_STREAM_H

#include <stdint.h>

enum copy_kind { COPY_FILE = 1, COPY_LINK = 2, COPY_DIRECTORY = 3, COPY_END = 4, COPY_DONE = 5 };

/* How deep a tree may be, and how many entries it may have. */
enum { COPY_DEPTH_MAX = 128, COPY_ENTRIES_MAX = 1000000 };

struct copy_record {
	uint32_t kind;
	uint32_t mode;
	uint64_t size; /* of the data */
	int64_t seconds;
	uint32_t nanoseconds; /* of the last modification */
	uint32_t name_length;
};

#endif
