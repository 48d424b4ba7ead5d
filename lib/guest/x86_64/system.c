/* SPDX-License-Identifier: MIT */
/* See: AMD64 Architecture Programmer's Manual, volume 2, "Segmented Virtual Memory" and "Exceptions and Interrupts". */
#include "guest/x86_64/system.h"
#include "guest/numbers.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { STUB_SIZE = 16, STUBS_EXCEPTIONS = 0x100, VECTOR_BREAKPOINT = 3, VECTOR_OVERFLOW = 4 };

static void put(uint8_t *page, uint64_t offset, const void *data, size_t size)
{
	memcpy(page + offset % GUEST_PAGE, data, size);
}

static void build_tables(uint8_t *page)
{
	const uint64_t gdt[SYSTEM_GDT_SIZE / 8] = {
		[SELECTOR_KERNEL_CODE / 8] = 0x00af9b000000ffffull,
		[SELECTOR_KERNEL_CODE / 8 + 1] = 0x00cf93000000ffffull,
		/* Where Linux has the 32-bit code segment there is none: a far jump cannot leave 64-bit mode. */
		[SELECTOR_USER_DATA / 8] = 0x00cff3000000ffffull,
		[SELECTOR_USER_CODE / 8] = 0x00affb000000ffffull,
		[SELECTOR_TSS / 8] = 0x0000890000000000ull | (SYSTEM_TSS << 16) | (SYSTEM_TSS_SIZE - 1),
	};
	put(page, SYSTEM_GDT, gdt, sizeof(gdt));

	/* An I/O map that begins at the end of the segment allows ring 3 no port. */
	const uint64_t stack_top = SYSTEM_STACK_TOP;
	const uint16_t io_map = SYSTEM_TSS_SIZE;
	put(page, SYSTEM_TSS + 4, &stack_top, sizeof(stack_top));
	put(page, SYSTEM_TSS + 102, &io_map, sizeof(io_map));

	for (int vector = 0; vector < SYSTEM_VECTORS; vector++) {
		uint64_t stub = SYSTEM_STUBS + STUBS_EXCEPTIONS + (uint64_t)vector * STUB_SIZE;
		/* INT3 and INTO may be executed by programs, as on Linux; the other gates are for exceptions alone. */
		uint64_t ring = vector == VECTOR_BREAKPOINT || vector == VECTOR_OVERFLOW ? 3 : 0;
		uint64_t gate[2] = {stub | (uint64_t)SELECTOR_KERNEL_CODE << 16 | 0x8eull << 40 | ring << 45, 0};
		put(page, SYSTEM_IDT + (uint64_t)vector * sizeof(gate), gate, sizeof(gate));
	}
}

/* out %al, $port; hlt; jmp to the hlt. The host never lets a stub go on, so that what follows OUT is not reached. */
static void build_stub(uint8_t *stub, int port)
{
	const uint8_t code[] = {0xe6, (uint8_t)port, 0xf4, 0xeb, 0xfd};
	memcpy(stub, code, sizeof(code));
}

/* sysretq; what follows is as in the other stubs. */
static void build_sysret(uint8_t *code)
{
	static const uint8_t sysret[] = {0x48, 0x0f, 0x07, 0xf4, 0xeb, 0xfd};
	memcpy(code, sysret, sizeof(sysret));
}

/* call *%r11; mov %rax, %rdi; mov $RETURN, %eax; syscall; ud2. */
static void build_call(uint8_t *page)
{
	const uint32_t number = VISO_HYPERCALL_BASE + VISO_HYPERCALL_RETURN;
	const uint8_t before[] = {0x41, 0xff, 0xd3, 0x48, 0x89, 0xc7, 0xb8}, after[] = {0x0f, 0x05, 0x0f, 0x0b};
	put(page, SYSTEM_CALL, before, sizeof(before));
	put(page, SYSTEM_CALL + sizeof(before), &number, sizeof(number));
	put(page, SYSTEM_CALL + sizeof(before) + sizeof(number), after, sizeof(after));
}

/*
 * fnclex; emms; fildl STATE(%rip); xrstor64 STATE(%rip); mov %r10, %rdx; mov $0, %eax; jmp to the call. Some processors
 * leave x87's last addresses to XRSTOR's caller, so that there is a load before, as in Linux
 * (restore_fpregs_from_fpstate() of arch/x86/kernel/fpu/core.c; CVE-2006-1056).
 */
static void build_restore(uint8_t *page)
{
	enum { LOADED = 10, LENGTH = 28 };
	const uint32_t to_load = SYSTEM_STATE - (SYSTEM_RESTORE + LOADED), to_restore = SYSTEM_STATE - SYSTEM_RESTORED;
	const uint8_t load[] = {0xdb, 0xe2, 0x0f, 0x77, 0xdb, 0x05}, restore[] = {0x48, 0x0f, 0xae, 0x2d};
	const uint8_t after[] = {0x4c, 0x89, 0xd2, 0xb8, 0,
				 0,    0,    0,    0xeb, (uint8_t)(SYSTEM_CALL - SYSTEM_RESTORE - LENGTH)};
	put(page, SYSTEM_RESTORE, load, sizeof(load));
	put(page, SYSTEM_RESTORE + sizeof(load), &to_load, sizeof(to_load));
	put(page, SYSTEM_RESTORE + LOADED, restore, sizeof(restore));
	put(page, SYSTEM_RESTORE + LOADED + sizeof(restore), &to_restore, sizeof(to_restore));
	put(page, SYSTEM_RESTORED, after, sizeof(after));
}

int system_build(struct page_tables *tables, uint64_t *out_stack)
{
	size_t pages;
	uint64_t first = memory_allocate(tables->memory, 1, &pages);
	uint64_t second = memory_allocate(tables->memory, 1, &pages);
	uint64_t third = memory_allocate(tables->memory, 1, &pages);
	uint64_t fourth = memory_allocate(tables->memory, 1, &pages);
	if (!first || !second || !third || !fourth)
		return -ENOMEM;

	build_tables(memory_page(tables->memory, first));
	uint8_t *stubs = memory_page(tables->memory, second);
	build_stub(stubs, PORT_SYSCALL);
	build_sysret(stubs + SYSTEM_SYSRET % GUEST_PAGE);
	for (int vector = 0; vector < SYSTEM_VECTORS; vector++)
		build_stub(stubs + STUBS_EXCEPTIONS + vector * STUB_SIZE, PORT_EXCEPTION + vector);

	uint8_t *trampoline = memory_page(tables->memory, fourth);
	build_call(trampoline);
	build_restore(trampoline);
	*out_stack = third;
	if (paging_map_supervisor(tables, SYSTEM_TABLES, first, true, false) < 0 ||
	    paging_map_supervisor(tables, SYSTEM_STUBS, second, false, true) < 0 ||
	    paging_map_supervisor(tables, SYSTEM_STACK, third, true, false) < 0)
		return -ENOMEM;
	return paging_map_shared(tables, SYSTEM_TRAMPOLINE, fourth, PROT_READ | PROT_EXEC);
}
