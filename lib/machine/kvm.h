/* SPDX-License-Identifier: MIT */
/* What of the KVM probe others use. */
#ifndef MACHINE_KVM_H
#define MACHINE_KVM_H

#include "machine/machine.h"

/* The name of the module behind /dev/kvm, or words that say that it is not known. */
const char *kvm_driver(void);

/*
 * A virtual machine of /dev/kvm; -1 with errno. Where the thread has been woken meanwhile, with a control group that
 * was frozen or by a debugger, the kernel says EINTR (mm_take_all_locks()), and is asked once more.
 */
int kvm_create_vm(int kvm);

#endif
