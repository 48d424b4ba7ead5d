/* SPDX-License-Identifier: MIT */
/* What of a traced system call is of one processor. */
#ifndef FAULTS_REGISTERS_H
#define FAULTS_REGISTERS_H

#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>

#ifdef __x86_64__
enum { REGISTERS_KNOWN = 1 };

/* At its entry: the kernel makes no call, as if its number were unknown. */
static inline void registers_skip_call(pid_t pid)
{
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
}

static inline void registers_set_result(pid_t pid, long result)
{
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), result);
}
#else
enum { REGISTERS_KNOWN = 0 };

static inline void registers_skip_call(pid_t pid)
{
}

static inline void registers_set_result(pid_t pid, long result)
{
}
#endif

#endif
