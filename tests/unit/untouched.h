/* SPDX-License-Identifier: MIT */
/*
 * The host program stays as it was, whatever is called. What the library may do:
 *  - keep up to six fds for its launcher, close-on-exec, from the first start on until the process ends;
 *  - keep fds that belong to a living handle (a command's streams, a process), close-on-exec, until the handle is
 * released;
 *  - have threads of its own while commands run in guests.
 * It has no child that the host's waitpid(-1, …, __WALL) can see, not even while commands run, prints nothing, and
 * raises no signal in the host. tests/abi sees to it that every public function is called here.
 */
#ifndef UNTOUCHED_H
#define UNTOUCHED_H

#include <stdatomic.h>
#include <virtiso.h>

#include "support.h"

extern atomic_int untouched_signals; /* that the host has had */
extern int untouched_failures;
extern char *untouched_before,
	*untouched_moment; /* process and moment at untouched_begin(), as host_state.h has them */

/* For cmocka_run_group_tests(): a host that has changed all that it can, so that a library that resets something to its
 * default is caught. */
int untouched_peculiar_host(void **state);

/* Around the calls of a test; all handles must be released at the end. */
void untouched_begin(void);
void untouched_end(void);

/* Whether nothing has changed until `moment` but what a living handle may hold. */
bool untouched_handles_only(const char *moment);

/* After each call. Handles may hold fds now. */
void untouched_check(const char *call);

/* The call, and a look at the host after it; the call must give the wanted outcome, so that it is known to have
 * happened. */
#define UNTOUCHED(call, wanted)                                                                                        \
	do {                                                                                                           \
		if ((call)wanted) {                                                                                    \
			untouched_check(#call);                                                                        \
		} else {                                                                                               \
			print_error("%s: not %s: %s\n", #call, #wanted, viso_error_message());                         \
			untouched_failures++;                                                                          \
		}                                                                                                      \
	} while (0)

#endif
