/* SPDX-License-Identifier: MIT */
/* In the program that serves a guest: one that is frozen for the host, or goes on from what was. */
#ifndef GUEST_CONTAINED_CLONED_PROGRAM_H
#define GUEST_CONTAINED_CLONED_PROGRAM_H

#include <stdint.h>

struct instance;
struct viso_guest;

/* Tells the host a snapshot of it, as it goes on. Its size, or a negative errno with the error set. */
int64_t cloned_tell(struct instance *instance);

/* The guest gets an instance that goes on from the one that the host has. 0 or a negative errno with the error set. */
int cloned_load(struct viso_guest *guest, int root_fd, struct instance **out_instance);

#endif
