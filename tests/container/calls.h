/* SPDX-License-Identifier: MIT */
/* Single system calls of /bin/probe, for the tests of seccomp. */
#ifndef TEST_CALLS_H
#define TEST_CALLS_H

#include <sys/syscall.h>

#include "box.h"

/* "probe call" with the number, and with arguments as that takes them. */
viso_command *call_of(long number, ...) __attribute__((sentinel));

/* What the call gives: its value, or the errno below 0. */
void assert_call(struct box *box, viso_command *command, long expected);
/* As assert_call(), for a process that is waited for. */
void assert_gave(viso_process *process, long expected);

/* A container of its own over the tests' root, with a profile; to be closed by box_close(). */
struct box *box_with_profile(viso_seccomp_profile profile);

/* Allows what the probe needs to start, print and end, but for execve(2). */
void allow_probe(struct box *box);
/* The same as a JSON list, without its brackets. */
extern const char probe_calls_json[];

/* The program was ended by the filter. */
void assert_filtered(struct box *box, viso_command *command);

#endif
