/* SPDX-License-Identifier: MIT */
/* The stack that a Linux program finds at its start: arguments, environment and auxiliary vector. */
#ifndef GUEST_STACK_H
#define GUEST_STACK_H

#include "core/strings.h"
#include "guest/elf.h"
#include "guest/memory/address_space.h"

struct program_image;
enum { STACK_AUXILIARY = 24 };

struct stack_setting {
	const struct strings *argv;
	const struct strings *env;
	const char *path; /* AT_EXECFN */
	const struct elf_image *program;
	uint64_t interpreter_base; /* AT_BASE; 0 for a static program */
	unsigned uid;
	unsigned gid;
	uint32_t hwcap;
	uint32_t hwcap2;
	uint64_t signal_stack; /* AT_MINSIGSTKSZ */
	uint8_t random[16];
	uint64_t (*out_auxiliary)[2]; /* room for STACK_AUXILIARY entries */
};

/*
 * Maps the stack below `top` and fills it. The stack pointer goes to `*out_pointer`, where
 * things lie to `*out_image`. 0, -E2BIG as execve(2), -ENOMEM or
 * -EFAULT.
 */
int stack_build(struct address_space *space, const struct stack_setting *setting, uint64_t top,
		struct program_image *out_image, uint64_t *out_pointer);

#endif
