/* SPDX-License-Identifier: MIT */
/* Why a processor of a computer was left, and how often. Written by its thread alone, read by any. */
#ifndef GUEST_KERNEL_EXITS_H
#define GUEST_KERNEL_EXITS_H

#include <stdatomic.h>
#include <stdbool.h>

/* Those that come to us; and what KVM counts itself. */
enum exit_kind {
	EXIT_ALL,
	EXIT_PORT,
	EXIT_MEMORY,
	EXIT_INTERRUPTED,
	EXIT_KVM,
	EXIT_HALT,
	EXIT_HYPERCALL,
	EXIT_WINDOW,
	EXIT_INTERRUPTS,
	EXIT_KINDS
};

struct exits {
	atomic_ullong counts[EXIT_KINDS];
	atomic_bool is_kvm_known;
};

/* In the processor's thread, so no other one adds to it. */
static inline void exits_count(struct exits *exits, enum exit_kind kind)
{
	unsigned long long count = atomic_load_explicit(&exits->counts[kind], memory_order_relaxed);
	atomic_store_explicit(&exits->counts[kind], count + 1, memory_order_relaxed);
}

/* In the processor's thread: looks at what KVM has counted, where it tells (KVM_GET_STATS_FD, Linux 5.14). */
void exits_look(struct exits *exits, int vcpu_fd);

#endif
