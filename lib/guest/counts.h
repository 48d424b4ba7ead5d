/* SPDX-License-Identifier: MIT */
/* Which system calls the programs of a guest have made: viso_guest_syscalls(). */
#ifndef GUEST_COUNTS_H
#define GUEST_COUNTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { COUNTED_CALLS = 512 };

/* Any thread may look at any time, and the commands of one guest run in several. */
struct guest_counts {
	_Atomic uint64_t of[2][COUNTED_CALLS]; /* served, and not served */
};

static inline void counts_add(struct guest_counts *counts, uint64_t number, bool is_unserved)
{
	if (number < COUNTED_CALLS)
		atomic_fetch_add_explicit(&counts->of[is_unserved][number], 1, memory_order_relaxed);
}

#endif
