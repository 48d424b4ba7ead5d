/* SPDX-License-Identifier: MIT */
/*
 * The memory of a computer that was frozen: a file, of which clones have private mappings (copy on write). What nobody
 * had written to is not in it.
 */
#ifndef GUEST_KERNEL_SNAPSHOT_FROZEN_RAM_H
#define GUEST_KERNEL_SNAPSHOT_FROZEN_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/device/state.h"

/* A part of the memory that is in the file, as whole chunks of FROZEN_CHUNK bytes but for the last one. */
enum { FROZEN_CHUNK = 2 << 20, FROZEN_RUNS_MAX = 512 };

struct frozen_run {
	uint64_t begin, end;
};

struct frozen_ram {
	int fd;          /* owned; -1 before there is one */
	uint64_t offset; /* of the memory in the file, a multiple of a page */
	uint64_t size;   /* of all the memory */
	uint64_t used;   /* bytes that were not zero */
	unsigned run_count;
	struct frozen_run runs[FROZEN_RUNS_MAX]; /* ascending */
};

/*
 * Copies memory that nobody changes meanwhile into a file of its own, without a name. `beneath`: what it is a mapping
 * of itself; NULL for none. 0 or a negative errno with the error set.
 */
int frozen_ram_new(struct frozen_ram *ram, const uint8_t *host, uint64_t size, const struct frozen_ram *beneath);
void frozen_ram_release(struct frozen_ram *ram, bool is_forked);

/*
 * The same in parts: an empty file; whole pages in ascending order, at most a chunk at a time and within one; and then
 * nobody who gets the file can change it. 0 or a negative errno; with the error set but for frozen_ram_put().
 */
int frozen_ram_begin(struct frozen_ram *ram, uint64_t size);
int frozen_ram_put(struct frozen_ram *ram, uint64_t at, const void *pages, size_t size);
int frozen_ram_seal(const struct frozen_ram *ram);

/* Where what is not zero in memory goes, by such parts. 0, or a negative errno, which ends it. */
struct page_sink {
	int (*put)(void *data, uint64_t at, const uint8_t *pages, size_t size);
	void *data;
};
int frozen_ram_find(const uint8_t *host, uint64_t size, const struct frozen_ram *beneath, const struct page_sink *sink);

/* Puts it in the place of anonymous memory of the same size. 0 or a negative errno with the error set. */
int frozen_ram_map(const struct frozen_ram *ram, uint8_t *host);

/* Which parts there are; and the same back, without a file. */
void frozen_ram_save(const struct frozen_ram *ram, struct state_writer *out);
int frozen_ram_load(struct frozen_ram *ram, uint64_t size, struct state_reader *in);

#endif
