/* SPDX-License-Identifier: MIT */
/* Trying something in a short-lived child, so that neither its effects nor its hanging reach the host program. */
#ifndef MACHINE_CHILD_H
#define MACHINE_CHILD_H

#include <stdbool.h>

struct child {
	/*
	 * Runs in the child, in the memory of the caller, who waits. It may make system calls and write to `data`; it
	 * must not use the heap or locks, nor return before it has said in `data` what it found. All signals are
	 * blocked.
	 */
	void (*work)(void *data);
	void *data;
	unsigned timeout_ms; /* then the child is killed; 0 for a child that cannot hang */
};

/*
 * Runs the child in new namespaces, `flags` being CLONE_NEW… of clone(2). 0 once it has ended, in whatever way (`data`
 * shows how far it came); or a negative errno where it could not be made. The error of the thread is not set; errno is
 * kept.
 */
int child_run(const struct child *child, unsigned flags);

#endif
