/* SPDX-License-Identifier: MIT */
#include "guest/x86_64/registers.h"

#include <linux/kvm.h>
#include <stdio.h>

#include "guest/x86_64/system.h"

size_t registers_list(const struct kvm_regs *regs, uint64_t fs_base, uint64_t gs_base,
		      struct result_register out[RESULT_REGISTERS_MAX])
{
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
		{"rax", regs->rax}, {"rbx", regs->rbx},       {"rcx", regs->rcx},   {"rdx", regs->rdx},
		{"rsi", regs->rsi}, {"rdi", regs->rdi},       {"rbp", regs->rbp},   {"rsp", regs->rsp},
		{"r8", regs->r8},   {"r9", regs->r9},         {"r10", regs->r10},   {"r11", regs->r11},
		{"r12", regs->r12}, {"r13", regs->r13},       {"r14", regs->r14},   {"r15", regs->r15},
		{"rip", regs->rip}, {"rflags", regs->rflags}, {"fs_base", fs_base}, {"gs_base", gs_base},
	};
	const size_t count = sizeof(all) / sizeof(all[0]);
	_Static_assert(sizeof(all) / sizeof(all[0]) <= RESULT_REGISTERS_MAX, "registers of a result");
	for (size_t i = 0; i < count; i++) {
		snprintf(out[i].name, sizeof(out[i].name), "%s", all[i].name);
		out[i].value = all[i].value;
	}
	return count;
}

void registers_for_core(const struct kvm_regs *regs, uint64_t fs_base, uint64_t gs_base, struct user_regs_struct *out)
{
	*out = (struct user_regs_struct){
		.r15 = regs->r15,
		.r14 = regs->r14,
		.r13 = regs->r13,
		.r12 = regs->r12,
		.rbp = regs->rbp,
		.rbx = regs->rbx,
		.r11 = regs->r11,
		.r10 = regs->r10,
		.r9 = regs->r9,
		.r8 = regs->r8,
		.rax = regs->rax,
		.rcx = regs->rcx,
		.rdx = regs->rdx,
		.rsi = regs->rsi,
		.rdi = regs->rdi,
		.orig_rax = UINT64_MAX,
		.rip = regs->rip,
		.cs = SELECTOR_USER_CODE,
		.eflags = regs->rflags,
		.rsp = regs->rsp,
		.ss = SELECTOR_USER_DATA,
		.fs_base = fs_base,
		.gs_base = gs_base,
	};
}
