/* SPDX-License-Identifier: MIT */
/*
 * A KVM of paper: its processor executes nothing, but does what the fuzzer says in the name of the guest's program.
 * Memory it reaches as a real one does, through the page tables at CR3 and the slots that the library has given to the
 * VM, with page faults through the IDT's stub. What the library asks of the kernel meanwhile, it asks the functions
 * here: the files under test are compiled with these names in place of the real ones.
 */
#ifndef FAKE_KVM_H
#define FAKE_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_vm;

/* Serves KVM_RUN: 0 with an exit, or -1 with errno. */
typedef int fake_run_fn(struct fake_vm *vm);

/* Until the next call VMs are made for this program. No VM may be left from before. */
void fake_kvm_begin(fake_run_fn *run);

/* One of the next KVM calls fails with this errno, after `count` that do not; but for KVM_RUN. */
void fake_kvm_fail(unsigned count, int error);

/* How often the clock was put forward since a wait would have lasted for so long. */
unsigned fake_waits(void);

struct kvm_regs *fake_regs(struct fake_vm *vm);

/*
 * The program reads or writes. False where it cannot: then the exit is that page fault, and the caller returns 0 from
 * its run function.
 */
bool fake_access(struct fake_vm *vm, uint64_t address, void *data, size_t size, bool write);

/* The exit is an exception, or the system call of which the registers tell, and a jump to the stub for them. */
int fake_exception(struct fake_vm *vm, int vector, uint64_t error_code, uint64_t cr2);
int fake_jump_to_stub(struct fake_vm *vm);
int fake_syscall(struct fake_vm *vm);

/* An exit for which there is no reason. */
int fake_exit(struct fake_vm *vm, uint32_t reason);

#endif
