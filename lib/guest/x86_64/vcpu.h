/* SPDX-License-Identifier: MIT */
/* The guest's processor: it runs the program in ring 3 and leaves for system calls and exceptions. */
#ifndef GUEST_X86_64_VCPU_H
#define GUEST_X86_64_VCPU_H

#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/vm/vm.h"
#include "guest/x86_64/cpuid.h"
#include "guest/x86_64/paging.h"

enum { VCPU_DS, VCPU_ES, VCPU_FS, VCPU_GS, VCPU_SEGMENTS };

/* What a thread that does not run has in place of a processor. */
struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_segment segments[VCPU_SEGMENTS];
	struct kvm_xsave xsave;
};

struct vcpu {
	struct vm *vm;
	struct guest_memory *memory;
	const struct processor *processor;
	uint64_t stack_page;   /* guest-physical, of ring 0 */
	struct kvm_regs *regs; /* the program's registers while it does not run; may be changed */
	bool was_interrupted;  /* perhaps within a stub: it must go on with all its registers as they are */
	bool can_sysret;       /* it is in the stub of system calls, in ring 0, with the program's other segments */
	bool in_sysret;        /* it has last been entered there */
	bool lacks_sysret;     /* KVM turned out not to execute it */
	const struct kvm_xsave *due; /* the program's extended state, which the processor has not yet; else NULL */
	bool restores;               /* the stub that it is entered by restores that */
	bool lacks_restore;          /* the processor turned out not to */
};

enum vcpu_event {
	VCPU_SYSCALL,
	VCPU_EXCEPTION,
	VCPU_INTERRUPTED, /* by a signal to the host's thread */
	VCPU_FAULT,       /* the machine cannot go on; see `detail` */
};

struct vcpu_exit {
	enum vcpu_event event;
	int vector;
	uint64_t error_code; /* of the exception, where it has one */
	uint64_t address;    /* of a page fault */
	char detail[80];
};

/* Whatever does not depend on a guest. 0 or a negative errno with the error set. */
int vcpu_prepare(const struct vm *vm, const struct processor *processor);

/*
 * Sets the processor up to enter ring 3 at `entry` with this stack pointer. 0 or a negative errno with the error set.
 */
int vcpu_init(struct vcpu *vcpu, struct vm *vm, struct page_tables *tables, const struct processor *processor);
/* The same for a clone, whose tables have the system's pages already. */
void vcpu_init_clone(struct vcpu *vcpu, struct vm *vm, struct page_tables *tables, const struct processor *processor);
void vcpu_set_start(struct vcpu *vcpu, uint64_t entry, uint64_t stack);

/* To call a function with this stack: when it returns the program makes the system call VISO_HYPERCALL_RETURN. */
void vcpu_set_call(struct vcpu *vcpu, uint64_t function, uint64_t stack, const uint64_t args[6]);

/*
 * The same where a snapshot is gone back to: its extended state waits in `due`, and lies where xstate_put() has put it.
 */
int vcpu_rewind(struct vcpu *vcpu, const struct vcpu_state *state, const struct page_tables *tables);

/* For another program in place of this one: all its other registers are as at the start too. 0 or a negative errno. */
int vcpu_begin_anew(struct vcpu *vcpu, const struct page_tables *tables);

/*
 * Whether the registers are the program's and may be changed: where the processor was interrupted it can be within a
 * stub, or about to enter one. Then it comes out of there by itself when it runs on.
 */
bool vcpu_is_in_program(struct vcpu *vcpu);

uint64_t vcpu_stack_pointer(const struct vcpu *vcpu);
/* What a system call gives. */
void vcpu_set_result(struct vcpu *vcpu, int64_t result);
/* The program makes its system call, of this number, once more when it goes on. */
void vcpu_rewind_call(struct vcpu *vcpu, uint64_t number);

/* Lets the program run until something happens. Its registers are then in vcpu->regs as after that in its own code. */
void vcpu_run(struct vcpu *vcpu, struct vcpu_exit *out_exit);

/*
 * Whether the program's state can be put away: not while the processor was interrupted within a stub or on its way
 * there.
 */
bool vcpu_can_switch(const struct vcpu *vcpu);

/* Puts the program's state away; takes another one, in its address space. 0 or a negative errno. */
int vcpu_save(const struct vcpu *vcpu, struct vcpu_state *out);
int vcpu_load(struct vcpu *vcpu, const struct vcpu_state *state, const struct page_tables *tables);

/* The bases of FS and GS. */
uint64_t vcpu_base(const struct vcpu *vcpu, bool gs);
void vcpu_set_base(struct vcpu *vcpu, bool gs, uint64_t base);

/* A page fault, in terms of mmap(2): PROT_READ, PROT_WRITE or PROT_EXEC. */
unsigned vcpu_fault_access(const struct vcpu_exit *exit);
bool vcpu_is_page_fault(const struct vcpu_exit *exit);

/*
 * True where the program itself touched the address; false where the processor did so on its behalf, in its tables, and
 * where a protection key forbids it: a program has these on kvm_pvm, where it can execute WRPKRU, and no page helps.
 */
bool vcpu_is_user_access(const struct vcpu_exit *exit);

/*
 * The signal that Linux sends for an exception, with code and address; 0 where a program cannot cause it. exception.c
 */
int vcpu_exception_signal(const struct vcpu *vcpu, const struct vcpu_exit *exit, siginfo_t *out);

#endif
