/* SPDX-License-Identifier: MIT */
/* Mapping an ELF program into the guest. The file is hostile: every field is checked before it is used. */
#ifndef GUEST_ELF_H
#define GUEST_ELF_H

#include "guest/memory/address_space.h"

enum { ELF_INTERPRETER_MAX = 4096 };

struct elf_image {
	uint64_t base; /* what was added to the file's addresses */
	uint64_t entry;
	uint64_t headers; /* guest address of the program headers; 0 where they are not mapped */
	unsigned header_count;
	uint64_t end; /* of the last segment, page-aligned */
	bool executable_stack;
	char interpreter[ELF_INTERPRETER_MAX]; /* PT_INTERP, or "" */
};

/*
 * Maps the segments. A position-independent program is placed at `base`, or with 0 where there is room. 0 or a negative
 * errno: -ENOEXEC not an ELF program of this machine, or a damaged one; -ENOMEM; -EIO. `*out_why` says what was wrong.
 */
int elf_map(struct address_space *space, struct file *file, uint64_t base, struct elf_image *out, const char **out_why);

#endif
