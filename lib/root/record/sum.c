/* SPDX-License-Identifier: MIT */
#include "root/record/sum.h"

#include <endian.h>
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/transfer.h"

enum {
	BUFFER_SIZE = 64 << 10,
	BLOCK_SIZE = 4096,
	HOLES_MAX = 64 << 20,
	/* Beyond a tick: looking takes time as well. */
	MARGIN_NANOSECONDS = 1000000,
};

bool sum_is_sparse(const struct stat *st)
{
	return st->st_size / 512 - st->st_blocks > HOLES_MAX / 512;
}

void sum_print(const unsigned char digest[32], char out[SUM_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < 32; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[SUM_TEXT - 1] = '\0';
}

static void finish(struct sha256_ctx *context, char out[SUM_TEXT])
{
	unsigned char digest[SHA256_DIGEST_SIZE];
	sha256_digest(context, sizeof(digest), digest);
	sum_print(digest, out);
}

void sum_data(const void *data, size_t size, char out[SUM_TEXT])
{
	struct sha256_ctx context;
	sha256_init(&context);
	if (size)
		sha256_update(&context, size, data);
	finish(&context, out);
}

static bool is_cancelled(const atomic_bool *cancelled)
{
	return cancelled && atomic_load_explicit(cancelled, memory_order_relaxed);
}

int sum_file(int fd, const atomic_bool *cancelled, char out[SUM_TEXT])
{
	struct sha256_ctx context;
	sha256_init(&context);
	_cleanup_free_ unsigned char *buffer = malloc(BUFFER_SIZE);
	if (!buffer)
		return -ENOMEM;
	ssize_t n = BUFFER_SIZE;
	for (off_t at = 0; n == BUFFER_SIZE; at += n) {
		n = is_cancelled(cancelled) ? -ECANCELED : read_whole_at(fd, buffer, BUFFER_SIZE, at);
		if (n < 0)
			return (int)n;
		sha256_update(&context, (size_t)n, buffer);
	}
	finish(&context, out);
	return 0;
}

static void add_number(struct sha256_ctx *context, uint64_t number)
{
	uint64_t little = htole64(number);
	sha256_update(context, sizeof(little), (const unsigned char *)&little);
}

static void add_blocks(struct sha256_ctx *context, const unsigned char *buffer, size_t size, off_t at)
{
	static const unsigned char zeros[BLOCK_SIZE];
	for (size_t i = 0; i < size; i += BLOCK_SIZE) {
		size_t part = size - i < BLOCK_SIZE ? size - i : BLOCK_SIZE;
		if (!memcmp(buffer + i, zeros, part))
			continue;
		add_number(context, (uint64_t)at + i);
		sha256_update(context, part, buffer + i);
	}
}

int sum_sparse(int fd, const struct stat *st, const atomic_bool *cancelled, char out[SUM_TEXT])
{
	struct sha256_ctx context;
	sha256_init(&context);
	add_number(&context, (uint64_t)st->st_size);
	_cleanup_free_ unsigned char *buffer = malloc(BUFFER_SIZE);
	if (!buffer)
		return -ENOMEM;
	for (off_t data, end = 0; end < st->st_size;) {
		data = lseek(fd, end, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			break;
		end = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (end < 0)
			return -errno;
		/* A last block that is cut belongs to the data that begins in it. */
		end = (end + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
		for (off_t at = data / BLOCK_SIZE * BLOCK_SIZE; at < end;) {
			size_t size = end - at < BUFFER_SIZE ? (size_t)(end - at) : BUFFER_SIZE;
			ssize_t n = is_cancelled(cancelled) ? -ECANCELED : read_whole_at(fd, buffer, size, at);
			if (n < 0)
				return (int)n;
			if (n == 0)
				break;
			add_blocks(&context, buffer, (size_t)n, at);
			at += n;
		}
	}
	finish(&context, out);
	return 0;
}

int sum_any(int fd, const struct stat *st, const atomic_bool *cancelled, char out[SUM_TEXT])
{
	return sum_is_sparse(st) ? sum_sparse(fd, st, cancelled, out) : sum_file(fd, cancelled, out);
}

void identity_compute(const struct stat *st, bool has_change, unsigned char out[IDENTITY_SIZE])
{
	/* Packed, so that it is one block for SHA-256: of 64 bytes 55 are for the message. */
	struct __attribute__((packed)) {
		uint64_t inode, size, seconds, change_seconds;
		uint32_t device, nanoseconds, change_nanoseconds;
	} known = {
		.inode = htole64(st->st_ino),
		.size = htole64((uint64_t)st->st_size),
		.seconds = htole64((uint64_t)st->st_mtim.tv_sec),
		.change_seconds = has_change ? htole64((uint64_t)st->st_ctim.tv_sec) : 0,
		/* 32 bits are all that the kernel has for it: new_encode_dev() in include/linux/kdev_t.h. */
		.device = htole32(major(st->st_dev) << 20 | minor(st->st_dev)),
		.nanoseconds = htole32((uint32_t)st->st_mtim.tv_nsec),
		.change_nanoseconds = has_change ? htole32((uint32_t)st->st_ctim.tv_nsec) : 0,
	};
	unsigned char digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx context;
	sha256_init(&context);
	sha256_update(&context, sizeof(known), (const unsigned char *)&known);
	sha256_digest(&context, sizeof(digest), digest);
	memcpy(out, digest, IDENTITY_SIZE);
}

uint64_t identity_short(const struct stat *st, bool has_change)
{
	unsigned char identity[IDENTITY_SIZE];
	uint64_t number;
	identity_compute(st, has_change, identity);
	memcpy(&number, identity, sizeof(number));
	/* 0 stands for none. */
	return number ? number : 1;
}

bool identity_is_settled(const struct stat *st)
{
	/* Files have the times of the coarse clock, which stands still for a tick. */
	struct timespec now, tick;
	clock_gettime(CLOCK_REALTIME, &now);
	clock_getres(CLOCK_REALTIME_COARSE, &tick);
	int64_t seconds = (int64_t)now.tv_sec - (int64_t)st->st_ctim.tv_sec;
	if (seconds < 0 || seconds > 2)
		return seconds > 0;
	int64_t passed = seconds * 1000000000 + now.tv_nsec - st->st_ctim.tv_nsec;
	return passed > (int64_t)tick.tv_nsec + MARGIN_NANOSECONDS;
}
