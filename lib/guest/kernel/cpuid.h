/* SPDX-License-Identifier: MIT */
/* What the processors of a computer tell of themselves. */
#ifndef GUEST_KERNEL_CPUID_H
#define GUEST_KERNEL_CPUID_H

#include <virtiso/guest_kernel.h>

enum { KERNEL_CPUID_MAX = 256 };

struct kvm_cpuid2;

/* Of processor `index` of `count`, in place of what the host's KVM supports; `cpuid` has room for KERNEL_CPUID_MAX. */
void kernel_cpuid_filter(struct kvm_cpuid2 *cpuid, viso_platform platform, unsigned index, unsigned count);

/* Gives it to a processor. 0 or a negative errno with the error set. */
int kernel_cpuid_set(int kvm, int vcpu, viso_platform platform, unsigned index, unsigned count);

#endif
