/* SPDX-License-Identifier: MIT */
/*
 * Memory that all clones of a snapshot have in common. Page tables let no program write to it: a processor must be able
 * to, for nested paging takes its walks through page tables for writes (AMD64 APM volume 2, "Nested Paging"), so that
 * neither the slot nor the mapping is read-only. The host writes there only while it is made.
 */
#ifndef GUEST_MEMORY_FROZEN_H
#define GUEST_MEMORY_FROZEN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/own_process.h"

struct guest_memory;

struct frozen_memory {
	atomic_uint references;
	struct process_mark owner; /* a forked child has no such mapping (MADV_DONTFORK) */
	uint8_t *base;             /* the host's address of guest-physical 0 */
	uint64_t size;
	uint64_t used; /* pages that were handed out when it was frozen */
	void *mapping;
	size_t mapping_size;
};

/*
 * The memory of a guest as it is now. Where it has none that is frozen the mapping is the guest's own until
 * frozen_take_mapping(); else it is a copy. NULL without memory.
 */
struct frozen_memory *frozen_new(struct guest_memory *memory);

/* From now on it lives and dies with `frozen`. The guest has left it. */
void frozen_take_mapping(struct frozen_memory *frozen, struct guest_memory *memory);

/* A mapping, of which `base` is part, is taken over. NULL without memory. */
struct frozen_memory *frozen_new_mapped(void *mapping, size_t mapping_size, uint8_t *base, uint64_t size);

struct frozen_memory *frozen_ref(struct frozen_memory *frozen);
/* Takes NULL; NULL. */
struct frozen_memory *frozen_unref(struct frozen_memory *frozen);

#endif
