/* SPDX-License-Identifier: MIT */
/* Which of KVM's features a program may see. */
#ifndef GUEST_X86_64_FEATURES_H
#define GUEST_X86_64_FEATURES_H

#include <stdint.h>

struct kvm_cpuid2;
struct kvm_cpuid_entry2;

enum {
	XCR0_X87_SSE = 0x3,
	XCR0_AVX = 0x4,
	XCR0_AVX512 = 0xe0,
	/* All that is offered. Protection keys, AMX and APX are not: their state is neither in KVM_GET_XSAVE's 4 KiB
	 * nor in a signal frame of the size that is told. */
	XCR0_OFFERED = 0xe7,
};

/* The entry of a leaf, or NULL. */
struct kvm_cpuid_entry2 *features_find(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index);

/* How much XSAVE writes for these components. */
uint32_t features_xsave_size(struct kvm_cpuid2 *cpuid, uint64_t xcr0);

/* Takes away all that is not known to be of use and harmless in ring 3 of one processor with this XCR0. */
void features_filter(struct kvm_cpuid2 *cpuid, uint64_t xcr0);

#endif
