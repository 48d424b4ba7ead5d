/* SPDX-License-Identifier: MIT */
#include "guest/memory/frozen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/memory/memory.h"

static const size_t huge_page = 2u << 20;

struct frozen_memory *frozen_new_mapped(void *mapping, size_t mapping_size, uint8_t *base, uint64_t size)
{
	struct frozen_memory *frozen = calloc(1, sizeof(*frozen));
	if (!frozen)
		return NULL;
	atomic_init(&frozen->references, 1);
	frozen->owner = own_mark();
	frozen->mapping = mapping;
	frozen->mapping_size = mapping_size;
	frozen->base = base;
	frozen->size = size;
	return frozen;
}

/* What was frozen before and what is the guest's own, in one mapping: addresses stay what they are. */
static struct frozen_memory *copy(const struct guest_memory *memory)
{
	size_t size = (size_t)memory->next + huge_page;
	void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		return NULL;
	uint8_t *base = (uint8_t *)(((uintptr_t)mapping + huge_page - 1) & ~(huge_page - 1));
	struct frozen_memory *frozen = frozen_new_mapped(mapping, size, base, memory->next);
	if (!frozen) {
		munmap(mapping, size);
		return NULL;
	}
	madvise(mapping, size, MADV_DONTFORK);
	madvise(base, memory->next, MADV_HUGEPAGE);
	memcpy(base, memory->frozen->base, memory->frozen->size);
	memcpy(base + memory->start, memory->base, memory->next - memory->start);
	return frozen;
}

struct frozen_memory *frozen_new(struct guest_memory *memory)
{
	struct frozen_memory *frozen =
		memory->frozen ? copy(memory) : frozen_new_mapped(NULL, 0, memory->base, memory->next);
	if (frozen)
		frozen->used = memory->used;
	return frozen;
}

void frozen_take_mapping(struct frozen_memory *frozen, struct guest_memory *memory)
{
	if (memory->frozen)
		return;
	frozen->mapping = memory->mapping;
	frozen->mapping_size = memory->mapping_size;
	memory->mapping = NULL;
	memory->base = NULL;
	/* What was never handed out goes back; the rest of its last huge page stays. */
	uint8_t *end = (uint8_t *)frozen->mapping + frozen->mapping_size;
	uint8_t *used = frozen->base + ((frozen->size + huge_page - 1) & ~(huge_page - 1));
	if (used < end && munmap(used, (size_t)(end - used)) == 0)
		frozen->mapping_size -= (size_t)(end - used);
}

struct frozen_memory *frozen_ref(struct frozen_memory *frozen)
{
	if (frozen)
		atomic_fetch_add_explicit(&frozen->references, 1, memory_order_relaxed);
	return frozen;
}

struct frozen_memory *frozen_unref(struct frozen_memory *frozen)
{
	if (frozen && atomic_fetch_sub(&frozen->references, 1) == 1) {
		if (frozen->mapping && mark_is_own(&frozen->owner))
			munmap(frozen->mapping, frozen->mapping_size);
		free(frozen);
	}
	return NULL;
}
