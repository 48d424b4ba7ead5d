/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls without an exit: a page that guest and host share (struct viso_ring of hypercall.h), and a thread that
 * looks at it. The page is the library's own: were it the program's, that could have it freed and used for page tables
 * under our hands.
 */
#ifndef GUEST_RING_H
#define GUEST_RING_H

#include <stdint.h>

struct instance;
struct program;
struct ring;

/* VISO_HYPERCALL_RING: the address of the page in the program; or a negative errno, -EINVAL where the guest has none.
 */
int64_t ring_open(struct program *program);

/* VISO_HYPERCALL_DOORBELL: serves what is in the ring in the calling thread, and wakes the other. With the gate's lock
 * held. */
int64_t ring_serve(struct program *program);

/* Ends the thread. Without the gate's lock. Takes NULL. */
void ring_close(struct ring *ring);

/* In a forked child: frees memory only. */
void ring_forget(struct ring *ring);

#endif
