/* SPDX-License-Identifier: MIT */
/* What the guest's processor says about itself: what KVM supports, less what a program guest does not have. */
#ifndef GUEST_X86_64_CPUID_H
#define GUEST_X86_64_CPUID_H

#include <stdbool.h>
#include <stdint.h>

struct kvm_cpuid2;

struct processor {
	const struct kvm_cpuid2 *cpuid;
	uint64_t xcr0; /* 0 where there is no XSAVE */
	uint64_t cr4;  /* beside PAE */
	/* What the XSAVE area of a signal frame has, and its size: 0 for FXSAVE's alone. It may be more than xcr0:
	 * kvm_pvm says that there is no XSAVE, and lets programs use it all the same. */
	uint64_t xstate_features;
	uint32_t xstate_size;
	uint32_t mxcsr_mask; /* which bits of MXCSR are not reserved; 0: the processor's default */
	uint32_t hwcap;      /* AT_HWCAP */
	uint32_t hwcap2;     /* AT_HWCAP2 */
};

/* The same for all guests of this host process; made on first use. 0 or a negative errno with the error set. */
int processor_get(int kvm_fd, const struct processor **out_processor);

#endif
