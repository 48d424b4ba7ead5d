/* SPDX-License-Identifier: MIT */
/*
 * Who runs this, without a system call each time. A fork is noticed however it is made: what is remembered lies in a
 * page that the kernel clears in the child (MADV_WIPEONFORK of madvise(2), Linux 4.14). What shares the memory of its
 * parent, as after vfork(2), counts as the parent once that has asked; before, nothing is remembered.
 */
#ifndef CORE_OWN_PROCESS_H
#define CORE_OWN_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* As getpid(2) and gettid(2). */
pid_t own_process(void);
pid_t own_thread(void);

/* A process for comparison: a pid alone may be that of its child, too, in another pid namespace (pid_namespaces(7)). */
struct process_mark {
	pid_t id;
	int64_t since; /* when it was found out; 0 where that is not remembered */
};

struct process_mark own_mark(void);
bool mark_is_own(const struct process_mark *mark);

#endif
