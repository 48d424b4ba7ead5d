/* SPDX-License-Identifier: MIT */
/*
 * The contents of a file in memory: pages in a tree, so that a huge file with holes costs what was written to it. Pages
 * are shared between copies until one of them is written to.
 */
#ifndef GUEST_FILES_CONTENTS_H
#define GUEST_FILES_CONTENTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How much of the host's memory the files may take. */
struct memory_quota {
	uint64_t used;
	uint64_t max;
};

struct contents {
	void *top; /* a table of `height`, or a page where that is 0 */
	unsigned height;
	uint64_t size;
};

/* 16 TiB, as of ext4. */
#define CONTENTS_SIZE_MAX (1ull << 44)

/* 0 or -ENOSPC. Every byte that is taken must be given back. */
int memory_quota_take(struct memory_quota *quota, uint64_t size);
void memory_quota_give(struct memory_quota *quota, uint64_t size);

/* As pread(2). */
size_t contents_read(const struct contents *contents, void *out, size_t size, uint64_t offset);

/* As pwrite(2): the number of bytes, or -ENOSPC, -EFBIG or -ENOMEM where there were none. */
int64_t contents_write(struct contents *contents, struct memory_quota *quota, const void *data, size_t size,
		       uint64_t offset);

/* As ftruncate(2): 0 or -EFBIG, -ENOSPC, -ENOMEM. `quota` may be NULL where it is not counted any more. */
int contents_resize(struct contents *contents, struct memory_quota *quota, uint64_t size);

/* As fallocate(2) with FALLOC_FL_PUNCH_HOLE. 0 or a negative errno. */
int contents_punch(struct contents *contents, struct memory_quota *quota, uint64_t offset, uint64_t size);

/* The next offset from `offset` on that has data, or a hole (`hole`); the size of the file where there is none. */
uint64_t contents_seek(const struct contents *contents, uint64_t offset, int hole);

/* How many bytes its pages have. */
uint64_t contents_allocated(const struct contents *contents);

/* Makes `out`, which is empty, a copy that shares the pages. 0, -ENOSPC or -ENOMEM; then `out` is empty. */
int contents_copy(const struct contents *contents, struct memory_quota *quota, struct contents *out);

/* Frees everything. */
void contents_clear(struct contents *contents, struct memory_quota *quota);

#endif
