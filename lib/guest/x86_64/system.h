/* SPDX-License-Identifier: MIT */
/*
 * What the processor needs beside the program: descriptor tables, and the stubs through which system calls and
 * exceptions leave the guest. All of it lies in a few low pages, below the lowest address that a program can map, for
 * the guest's supervisor only, but for the trampoline. Nothing else ever runs in ring 0.
 */
#ifndef GUEST_X86_64_SYSTEM_H
#define GUEST_X86_64_SYSTEM_H

#include <stdint.h>

#include "guest/x86_64/paging.h"

/* Guest-virtual addresses. */
#define SYSTEM_TABLES 0x1000ull /* GDT, TSS, IDT */
#define SYSTEM_STUBS 0x2000ull
#define SYSTEM_STACK 0x3000ull /* one page, of ring 0 */
#define SYSTEM_STACK_TOP 0x4000ull
#define SYSTEM_RING 0x5000ull       /* nine pages of ring 3, where the program has opened it */
#define SYSTEM_TRAMPOLINE 0x4000ull /* one page of ring 3: from where the functions are called that the host calls */

#define SYSTEM_GDT SYSTEM_TABLES
#define SYSTEM_TSS (SYSTEM_TABLES + 0x100)
#define SYSTEM_IDT (SYSTEM_TABLES + 0x200)
#define SYSTEM_SYSCALL SYSTEM_STUBS       /* LSTAR */
#define SYSTEM_SYSRET (SYSTEM_STUBS + 16) /* where the host may enter it */
/* Where the host enters: the function is in R11. Before it is called the state of the processor that lies in the same
 * page can be restored, by XRSTOR; then its third argument is in R10. */
#define SYSTEM_CALL SYSTEM_TRAMPOLINE
#define SYSTEM_RESTORE (SYSTEM_TRAMPOLINE + 0x40)
#define SYSTEM_RESTORED (SYSTEM_RESTORE + 18) /* behind XRSTOR */
#define SYSTEM_STATE (SYSTEM_TRAMPOLINE + 0x400)

enum {
	SYSTEM_GDT_SIZE = 0x48,
	SYSTEM_TSS_SIZE = 104,
	SYSTEM_VECTORS = 32,
	SYSTEM_IDT_SIZE = SYSTEM_VECTORS * 16,
	SYSTEM_STATE_MAX = 0xc00,
	/* Selectors, as on Linux. */
	SELECTOR_KERNEL_CODE = 0x10,
	SELECTOR_USER_DATA = 0x2b,
	SELECTOR_USER_CODE = 0x33,
	SELECTOR_TSS = 0x38,
	/* Ports by which the stubs leave. */
	PORT_SYSCALL = 0x10,
	PORT_EXCEPTION = 0x20, /* plus the vector */
};

/* Builds the pages and maps them. The guest-physical address of the ring-0 stack page goes to `*out_stack`. 0 or
 * -ENOMEM. */
int system_build(struct page_tables *tables, uint64_t *out_stack);

#endif
