/* SPDX-License-Identifier: MIT */
/* Checksums of saved snapshots. A contained guest's program has others: contained/cloned_program.c. */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/snapshot/saved.h"

void saved_sum(const struct saved_part *parts, size_t count, uint8_t out[SAVED_SUM])
{
	struct sha256_ctx sum;
	sha256_init(&sum);
	for (size_t i = 0; i < count; i++)
		sha256_update(&sum, parts[i].size, parts[i].data);
	sha256_digest(&sum, SAVED_SUM, out);
}

int saved_sum_file(int fd, uint64_t size, uint8_t out[SAVED_SUM])
{
	enum { PIECE = 64 << 10 };
	struct sha256_ctx sum;
	_cleanup_free_ uint8_t *buffer = malloc(PIECE);
	if (!buffer)
		return -ENOMEM;
	sha256_init(&sum);
	for (uint64_t at = 0; at < size;) {
		ssize_t n = pread(fd, buffer, PIECE, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		sha256_update(&sum, (size_t)n, buffer);
		at += (uint64_t)n;
	}
	sha256_digest(&sum, SAVED_SUM, out);
	return 0;
}
