/* SPDX-License-Identifier: MIT */
#include "guest/kernel/boot/entry.h"

#include <linux/kvm.h>
#include <stddef.h>

#include "guest/kernel/layout.h"

enum { PAGE = 4096, TABLE_ENTRIES = 512, DIRECTORIES = 4, HUGE = 2 << 20 };
enum { ENTRY_PRESENT_WRITABLE = 0x3, ENTRY_HUGE = 0x80 };

/* Those that Linux's 32- and 64-bit entries ask for (boot.rst); PVH and Multiboot take any. */
enum { SELECTOR_CODE = 0x10, SELECTOR_DATA = 0x18, SELECTOR_TASK = 0x20, GDT_ENTRIES = 6 };

#define CR0_PE 0x1ull
#define CR0_ET 0x10ull
#define CR0_PG 0x80000000ull
#define CR4_PAE 0x20ull
#define EFER_LME 0x100ull
#define EFER_LMA 0x400ull
#define FLAGS_FIXED 0x2ull

static const struct kvm_segment code = {
	.limit = 0xffffffff, .selector = SELECTOR_CODE, .type = 11, .present = 1, .s = 1, .db = 1, .g = 1};
static const struct kvm_segment data = {
	.limit = 0xffffffff, .selector = SELECTOR_DATA, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
static const struct kvm_segment task = {.limit = 0x67, .selector = SELECTOR_TASK, .type = 11, .present = 1};

/* As a processor reads it (Intel SDM volume 3, 3.4.5). */
static uint64_t descriptor(const struct kvm_segment *segment)
{
	uint64_t limit = segment->g ? segment->limit >> 12 : segment->limit;
	uint64_t access = segment->type | (uint64_t)segment->s << 4 | (uint64_t)segment->dpl << 5 |
			  (uint64_t)segment->present << 7 | (uint64_t)segment->avl << 12 | (uint64_t)segment->l << 13 |
			  (uint64_t)segment->db << 14 | (uint64_t)segment->g << 15;
	return (limit & 0xffff) | (segment->base & 0xffffff) << 16 | access << 40 | (limit >> 16 & 0xf) << 48 |
	       (segment->base >> 24 & 0xff) << 56;
}

static void set_segments(struct kvm_sregs *sregs, bool is_long)
{
	sregs->cs = code;
	sregs->cs.l = is_long;
	sregs->cs.db = !is_long;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = task;
	sregs->gdt = (struct kvm_dtable){.base = LAYOUT_GDT, .limit = GDT_ENTRIES * sizeof(uint64_t) - 1};
	sregs->idt = (struct kvm_dtable){0};
	sregs->cr0 = CR0_PE | CR0_ET;
}

static bool put_gdt(const struct ram *ram, const struct kvm_sregs *sregs)
{
	const uint64_t gdt[GDT_ENTRIES] = {
		[SELECTOR_CODE / 8] = descriptor(&sregs->cs),
		[SELECTOR_DATA / 8] = descriptor(&sregs->ds),
		[SELECTOR_TASK / 8] = descriptor(&sregs->tr),
	};
	return ram_write(ram, LAYOUT_GDT, gdt, sizeof(gdt));
}

/* One table of each upper level, and four directories of huge pages. */
static bool put_page_tables(const struct ram *ram)
{
	const uint64_t pointers = LAYOUT_PAGE_TABLES + PAGE, directories = pointers + PAGE;
	uint64_t table[TABLE_ENTRIES] = {pointers | ENTRY_PRESENT_WRITABLE};
	if (!ram_write(ram, LAYOUT_PAGE_TABLES, table, sizeof(table)))
		return false;
	for (uint64_t i = 0; i < DIRECTORIES; i++)
		table[i] = (directories + i * PAGE) | ENTRY_PRESENT_WRITABLE;
	if (!ram_write(ram, pointers, table, sizeof(table)))
		return false;
	for (uint64_t i = 0; i < DIRECTORIES; i++) {
		for (uint64_t j = 0; j < TABLE_ENTRIES; j++)
			table[j] = (i * TABLE_ENTRIES + j) * HUGE | ENTRY_PRESENT_WRITABLE | ENTRY_HUGE;
		if (!ram_write(ram, directories + i * PAGE, table, sizeof(table)))
			return false;
	}
	return true;
}

static void set_real(const struct boot_entry *entry, struct kvm_regs *regs, struct kvm_sregs *sregs)
{
	struct kvm_segment *const all[] = {&sregs->cs, &sregs->ds, &sregs->es, &sregs->fs, &sregs->gs, &sregs->ss};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		all[i]->selector = 0;
		all[i]->base = 0;
	}
	if (entry->address < 0x10000)
		return;
	sregs->cs.base = entry->address & ~0xfull;
	sregs->cs.selector = (uint16_t)(entry->address >> 4);
	regs->rip = entry->address & 0xf;
}

bool entry_prepare(const struct boot_entry *entry, const struct ram *ram, struct kvm_regs *regs,
		   struct kvm_sregs *sregs)
{
	*regs = (struct kvm_regs){
		.rip = entry->address,
		.rax = entry->rax,
		.rbx = entry->rbx,
		.rsi = entry->rsi,
		.rsp = entry->rsp,
		.rflags = FLAGS_FIXED,
	};
	if (entry->mode == BOOT_REAL) {
		set_real(entry, regs, sregs);
		return true;
	}
	set_segments(sregs, entry->mode == BOOT_LONG);
	if (!put_gdt(ram, sregs))
		return false;
	if (entry->mode == BOOT_PROTECTED)
		return true;
	sregs->cr0 |= CR0_PG;
	sregs->cr3 = LAYOUT_PAGE_TABLES;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
	return put_page_tables(ram);
}
