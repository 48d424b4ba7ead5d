/* SPDX-License-Identifier: MIT */
/* What execve(2) does: finding the program in the root, following `#!`, and mapping it with its interpreter and stack.
 */
#ifndef GUEST_EXEC_H
#define GUEST_EXEC_H

#include "core/strings.h"
#include "guest/program/program.h"

struct executable {
	struct file *file; /* the ELF program */
	char *path;        /* of it, absolute in the root */
	char *script;      /* what AT_EXECFN tells: the path by which it was started */
	struct strings argv;
};

/* Finds the program of a command. 0 or a negative errno with the error set. To be given to executable_release(). */
int executable_find(struct program *program, const viso_command *command, struct executable *out);
void executable_release(struct executable *executable);

/* The same for execve(2): `path` alone is looked at. 0 or a negative errno, without the error. */
int executable_open(struct program *program, const char *path, const struct strings *argv, struct executable *out);

/*
 * Maps it into the program's address space. Where execution begins and the stack pointer go to the outputs. 0 or a
 * negative errno with the error set.
 */
int executable_map(struct program *program, const struct executable *executable, const struct strings *env,
		   const struct processor *processor, uint64_t *out_entry, uint64_t *out_stack);

#endif
