/* SPDX-License-Identifier: MIT */
/* The floating-point and vector registers of the program, in the layout of XSAVE. See: Intel SDM volume 1, chapter 13.
 */
#ifndef GUEST_X86_64_XSTATE_H
#define GUEST_X86_64_XSTATE_H

#include <stddef.h>
#include <stdint.h>

#include "guest/x86_64/cpuid.h"
#include "guest/x86_64/vcpu.h"

enum {
	XSTATE_MAX = 4096, /* what KVM_GET_XSAVE gives */
	XSTATE_LEGACY = 512,
	XSTATE_HEADER = 512, /* where the header is */
	XSTATE_LEAST = 576,  /* with the header */
	XSTATE_MXCSR = 24,
	XSTATE_MXCSR_MASK = 28,
	XSTATE_SOFTWARE = 464, /* 48 bytes that the processor leaves to the system */
	XSTATE_FP_SSE = 3,
};

/* All that the program can see; it is not compacted. 0 or a negative errno. */
int xstate_get(const struct vcpu *vcpu, uint8_t out[XSTATE_MAX]);

/* The same as KVM tells it. 0 or a negative errno. */
int xstate_save(const struct vcpu *vcpu, struct kvm_xsave *out);

/* Replaces it. 0, or -EINVAL where a processor would not take it: what is reserved is not zero. */
int xstate_set(struct vcpu *vcpu, const uint8_t state[XSTATE_MAX]);

/* Gives the processor what is due (vcpu_rewind()). 0 or a negative errno. */
int xstate_load_due(struct vcpu *vcpu);

/*
 * KVM_SET_XSAVE takes a fifth of a call. So what a snapshot goes back to also lies in the page of ring 3 where calls
 * begin, for the processor to restore it there by itself: no program can write to the page. Whether it has room.
 */
bool xstate_can_be_put(const struct processor *processor);
void xstate_put(const struct kvm_xsave *state, const struct processor *processor, uint8_t page[GUEST_PAGE]);

/* Whether a processor would take it: 0 or -EINVAL. */
int xstate_check(const struct processor *processor, const uint8_t state[XSTATE_MAX]);

/* Replaces it by what a program finds at its start. */
int xstate_clear(struct vcpu *vcpu);

#endif
