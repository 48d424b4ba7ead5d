/* SPDX-License-Identifier: MIT */
#include "guest/x86_64/xstate.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

enum { HEADER_SIZE = 64, MXCSR_START = 0x1f80, CONTROL_START = 0x37f, MXCSR_MASK_DEFAULT = 0xffbf };

static uint64_t known_features(const struct processor *processor)
{
	return processor->xstate_features ? processor->xstate_features : XSTATE_FP_SSE;
}

int xstate_get(const struct vcpu *vcpu, uint8_t out[XSTATE_MAX])
{
	_Static_assert(sizeof(struct kvm_xsave) == XSTATE_MAX, "KVM_GET_XSAVE");
	if (ioctl(vcpu->vm->vcpu_fd, KVM_GET_XSAVE, out) < 0)
		return -errno;
	/* KVM tells of components that the guest does not have, such as protection keys. */
	uint64_t present;
	memcpy(&present, out + XSTATE_HEADER, sizeof(present));
	present &= known_features(vcpu->processor);
	memcpy(out + XSTATE_HEADER, &present, sizeof(present));
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

int xstate_set(const struct vcpu *vcpu, const uint8_t state[XSTATE_MAX])
{
	int r = xstate_check(vcpu->processor, state);
	if (r < 0)
		return r;
	return ioctl(vcpu->vm->vcpu_fd, KVM_SET_XSAVE, state) < 0 ? -errno : 0;
}

int xstate_clear(const struct vcpu *vcpu)
{
	uint8_t state[XSTATE_MAX] = {0};
	const uint16_t control = CONTROL_START;
	const uint32_t mxcsr = MXCSR_START;
	const uint64_t present = XSTATE_FP_SSE;
	memcpy(state, &control, sizeof(control));
	memcpy(state + XSTATE_MXCSR, &mxcsr, sizeof(mxcsr));
	memcpy(state + XSTATE_HEADER, &present, sizeof(present));
	return ioctl(vcpu->vm->vcpu_fd, KVM_SET_XSAVE, state) < 0 ? -errno : 0;
}
