/* SPDX-License-Identifier: MIT */
/* What everybody who uses /dev/kvm must do alike. */
#ifndef CORE_KVM_H
#define CORE_KVM_H

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "core/fd.h"

/*
 * A virtual machine; -1 with errno. A signal of the host program interrupts the making of one, and so does it where the
 * thread has been woken meanwhile, with a control group that was frozen or by a debugger (mm_take_all_locks()).
 */
static inline int kvm_create_vm(int kvm)
{
	int vm;
	do
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
	while (vm < 0 && errno == EINTR);
	return fd_above_streams(vm);
}

#endif
