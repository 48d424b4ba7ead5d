/* SPDX-License-Identifier: MIT */
/* The registers of a program in the forms that others want: by name for a result, and as in a core file. */
#ifndef GUEST_X86_64_REGISTERS_H
#define GUEST_X86_64_REGISTERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

#include "guest/x86_64/vcpu.h"
#include "sandbox/result.h"

struct kvm_regs;

/* All of them by name; how many. */
size_t registers_list(const struct kvm_regs *regs, uint64_t fs_base, uint64_t gs_base,
		      struct result_register out[RESULT_REGISTERS_MAX]);

/* In the layout of ptrace(2) and core(5). */
void registers_for_core(const struct kvm_regs *regs, uint64_t fs_base, uint64_t gs_base, struct user_regs_struct *out);

#endif
