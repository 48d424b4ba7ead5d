/* SPDX-License-Identifier: MIT */
/* /dev/kvm, a virtual machine and its processor's fd. */
#ifndef GUEST_VM_VM_H
#define GUEST_VM_VM_H

#include <stddef.h>
#include <stdint.h>

struct kvm_run;
struct processor;

struct vm {
	int vm_fd;
	int vcpu_fd;
	struct kvm_run *run; /* what the kernel and we share for the processor */
	size_t run_size;
	uint64_t signal_mask; /* of KVM_SET_SIGNAL_MASK; 0 before it was set */
};

/* Opens /dev/kvm. A fd, or a negative errno with the error set. */
int vm_open_kvm(void);

/* One that is not there. */
extern const struct vm vm_none;
/* For a process that cannot open it: it has this fd instead. */
void vm_give_kvm(int fd);

/* Makes a VM with one processor and no memory. 0 or a negative errno with the error set. */
int vm_init(struct vm *vm, const struct processor **out_processor);

/* Adds a processor to a VM, of which `vm` has the fd, or another one that all its processors share. 0 or a negative
 * errno with the error set. */
int vm_open_processor(struct vm *vm, int kvm_fd, int vm_fd, unsigned index);

/* Gives it back; may be called after a failed vm_init(). */
void vm_release(struct vm *vm);

/* Fails for a KVM call: sets the error from errno. */
int vm_fail(const char *call);

#endif
