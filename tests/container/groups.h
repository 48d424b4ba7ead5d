/* SPDX-License-Identifier: MIT */
/* Control groups as the host sees them. */
#ifndef TEST_GROUPS_H
#define TEST_GROUPS_H

#include "box.h"

/* 2 or 1, where this host has the controller; 0 where it has none. NULL asks for version 2 as such. */
int group_version(const char *controller);

/* What a file of the process's group says, without the last newline; the controller decides which of both names. */
const char *group_read(int pid, const char *controller, const char *file_v1, const char *file_v2);

/* Makes a group of the test's own in version 2 and in the hierarchies of version 1, and makes it the container's
 * parent. Its path from the root of the hierarchies. Skips without root. */
const char *group_make_parent(struct box *box);
/* How many groups there are in it. */
int group_count_children(void);
/* It must be empty, at the latest after five seconds, and is removed. */
void group_remove_parent(void);

/* Starts and ends a command; skips where the caller gets no such controller. */
void skip_without_controller(struct box *box, const char *controller);

/* Takes version 2 out of this process's sight, which has a mount namespace of its own then. */
void group_hide_version_2(void);

/* A disk to limit, that of the rig or the one below /, as a device or a file on it; NULL where there is none. */
const char *group_disk(unsigned *out_major, unsigned *out_minor);

/* The worker that supervises the command of a container. */
int group_worker_of(viso_process *process);

#endif
