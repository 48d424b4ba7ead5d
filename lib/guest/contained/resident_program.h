/* SPDX-License-Identifier: MIT */
/* In the program that serves a guest: one that stays, and is called by the host. */
#ifndef GUEST_CONTAINED_RESIDENT_PROGRAM_H
#define GUEST_CONTAINED_RESIDENT_PROGRAM_H

struct instance;
struct viso_guest;

/* Before it runs. */
void resident_prepare(struct viso_guest *guest, struct instance *instance);

/* Runs the one that stays, where it is no clone, and serves the host's calls, until its program has ended or the host
 * is gone. */
void resident_run(struct viso_guest *guest);

#endif
