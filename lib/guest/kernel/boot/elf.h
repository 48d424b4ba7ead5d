/* SPDX-License-Identifier: MIT */
/* An ELF file that is a kernel: its segments go to their physical addresses. */
#ifndef GUEST_KERNEL_BOOT_ELF_H
#define GUEST_KERNEL_BOOT_ELF_H

#include <elf.h>
#include <stdbool.h>

#include "guest/kernel/boot/load.h"

enum { ELF_SEGMENTS_MAX = 64 };

/* Of a file of 32 or 64 bits. */
struct elf_kernel {
	bool is_64;
	uint64_t entry;
	Elf64_Phdr segments[ELF_SEGMENTS_MAX];
	int count;
	uint64_t pvh_entry; /* 0 for none */
};

/* 0 or a negative errno with the error set. */
int elf_kernel_read(const struct image *image, struct elf_kernel *out);

/* Puts its segments into memory; where the last one ends. */
int elf_kernel_load(const struct elf_kernel *elf, const struct image *image, const struct ram *ram, uint64_t *out_end);

#endif
