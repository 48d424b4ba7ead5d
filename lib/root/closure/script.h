/* SPDX-License-Identifier: MIT */
/* The first line of a script, as execve(2) and env(1) read it. */
#ifndef ROOT_SCRIPT_H
#define ROOT_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

/* As many bytes as the kernel looks at: BINPRM_BUF_SIZE in include/uapi/linux/binfmts.h. */
enum { SCRIPT_HEAD_SIZE = 256 };

struct script {
	char interpreter[SCRIPT_HEAD_SIZE];
	char program[SCRIPT_HEAD_SIZE]; /* what env(1) shall run; "" where the interpreter is not env */
};

/* False where these first bytes of a file are no `#!` line that the kernel would take. */
bool script_parse(const char *head, size_t size, struct script *out);

#endif
