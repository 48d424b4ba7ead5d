/* SPDX-License-Identifier: MIT */
#include "guest/x86_64/xstate.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/hot.h"
#include "guest/x86_64/system.h"

enum {
	HEADER_SIZE = 64,
	KEYS = 1 << 9,
	KEYS_SIZE = 8,
	MXCSR_START = 0x1f80,
	CONTROL_START = 0x37f,
	MXCSR_MASK_DEFAULT = 0xffbf
};

static uint64_t known_features(const struct processor *processor)
{
	return processor->xstate_features ? processor->xstate_features : XSTATE_FP_SSE;
}

int xstate_save(const struct vcpu *vcpu, struct kvm_xsave *out)
{
	if (!vcpu->due)
		return ioctl(vcpu->vm->vcpu_fd, KVM_GET_XSAVE, out) < 0 ? -errno : 0;
	*out = *vcpu->due;
	return 0;
}

static void keep_features(uint8_t header[HEADER_SIZE], uint64_t features)
{
	uint64_t present;
	memcpy(&present, header, sizeof(present));
	present &= features;
	memcpy(header, &present, sizeof(present));
}

int xstate_get(const struct vcpu *vcpu, uint8_t out[XSTATE_MAX])
{
	struct kvm_xsave state;
	_Static_assert(sizeof(state) == XSTATE_MAX, "KVM_GET_XSAVE");
	int r = xstate_save(vcpu, &state);
	if (r < 0)
		return r;
	memcpy(out, &state, sizeof(state));
	/* KVM tells of components that the guest does not have, such as protection keys. */
	keep_features(out + XSTATE_HEADER, known_features(vcpu->processor));
	return 0;
}

/* As XRSTOR checks it: of the header, the rest is not looked at. */
int xstate_check(const struct processor *processor, const uint8_t state[XSTATE_MAX])
{
	uint64_t header[HEADER_SIZE / 8];
	uint32_t mxcsr;
	memcpy(header, state + XSTATE_HEADER, sizeof(header));
	memcpy(&mxcsr, state + XSTATE_MXCSR, sizeof(mxcsr));
	if (header[0] & ~known_features(processor))
		return -EINVAL;
	if (header[1] || header[2])
		return -EINVAL;
	uint32_t mask = processor->mxcsr_mask ? processor->mxcsr_mask : MXCSR_MASK_DEFAULT;
	return mxcsr & ~mask ? -EINVAL : 0;
}

/* In place of all that there was, and that was to come. */
static int put(struct vcpu *vcpu, const void *state)
{
	if (ioctl(vcpu->vm->vcpu_fd, KVM_SET_XSAVE, state) < 0)
		return -errno;
	vcpu->due = NULL;
	vcpu->restores = false;
	return 0;
}

int xstate_load_due(struct vcpu *vcpu)
{
	return vcpu->due ? put(vcpu, vcpu->due) : 0;
}

int xstate_set(struct vcpu *vcpu, const uint8_t state[XSTATE_MAX])
{
	int r = xstate_check(vcpu->processor, state);
	return r < 0 ? r : put(vcpu, state);
}

int xstate_clear(struct vcpu *vcpu)
{
	uint8_t state[XSTATE_MAX] = {0};
	const uint16_t control = CONTROL_START;
	const uint32_t mxcsr = MXCSR_START;
	const uint64_t present = XSTATE_FP_SSE;
	memcpy(state, &control, sizeof(control));
	memcpy(state + XSTATE_MXCSR, &mxcsr, sizeof(mxcsr));
	memcpy(state + XSTATE_HEADER, &present, sizeof(present));
	return put(vcpu, state);
}

HOT bool xstate_can_be_put(const struct processor *processor)
{
	return processor->xstate_size && processor->xstate_size <= SYSTEM_STATE_MAX - KEYS_SIZE;
}

void xstate_put(const struct kvm_xsave *state, const struct processor *processor, uint8_t page[GUEST_PAGE])
{
	uint8_t *to = page + SYSTEM_STATE % GUEST_PAGE;
	if (!xstate_can_be_put(processor))
		return;
	memcpy(to, state, SYSTEM_STATE_MAX);
	/* XRSTOR takes no others. Where KVM says that there is no XSAVE programs have protection keys all the same. */
	keep_features(to + XSTATE_HEADER, known_features(processor) | (processor->xcr0 ? 0 : KEYS));
}
