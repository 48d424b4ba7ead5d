/* SPDX-License-Identifier: MIT */
/* An instance that criu(8) makes from its images: lib/container/restore.c writes it, program/restore.c does it. */
#ifndef LAUNCH_PLAN_RESTORE_H
#define LAUNCH_PLAN_RESTORE_H

#include "launch/plan/types.h"

struct plan_restore {
	uint32_t images_fd; /* index among the fds of the message; 0: nothing is restored */
	uint32_t first_id;  /* of the range of host ids that it had */
	plan_offset criu;   /* path */
};

/* In the directory of the images: where the container's root is mounted for criu, and what it had to say. */
#define RESTORE_ROOT "root"
#define RESTORE_LOG  "restore.log"

/*
 * criu, which enters the container's user namespace, has to look at the init, which is not to be looked at
 * (PR_SET_DUMPABLE(2const)): by these signals, from outside of its pid namespace, it shows and hides itself.
 */
enum { SIGNAL_SHOW = 10, SIGNAL_HIDE = 12 }; /* SIGUSR1 and SIGUSR2 (signal(7)) */

#endif
