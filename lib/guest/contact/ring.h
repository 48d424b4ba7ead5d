/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls, and requests of the host with their answers, without an exit: pages that guest and host share (struct
 * viso_ring of hypercall.h), and two threads. One looks for hypercalls (ring.c); the other runs a guest that receives
 * its requests so (ring_requests.c). The pages are the library's own: were they the program's, that could have them
 * freed and used for page tables under our hands.
 */
#ifndef GUEST_CONTACT_RING_H
#define GUEST_CONTACT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <virtiso/result.h>

struct instance;
struct program;
struct ring;
struct viso_guest;

/* VISO_HYPERCALL_RING: the address of the pages in the program; or a negative errno, -EINVAL where the guest has none.
 */
int64_t ring_open(struct program *program);

/* VISO_HYPERCALL_DOORBELL: serves what is in the ring in the calling thread, and wakes the other. With the gate's lock
 * held. */
int64_t ring_serve(struct program *program);

/* Ends the threads. Without the gate's lock. Takes NULL. */
void ring_close(struct ring *ring);

/* In a forked child: frees memory only. */
void ring_forget(struct ring *ring);

/* From now on the program receives its requests through the ring. 0 or a negative errno. */
int ring_begin_requests(struct program *program);

/* VISO_HYPERCALL_RING_RECEIVE: the program waits for another request than that. */
int64_t ring_receive(struct program *program, uint64_t received);

/* VISO_HYPERCALL_RING_REPLY: wakes who waits for the answer. */
int64_t ring_reply(struct program *program);

/* In the thread that runs the guest: whether its program has had nothing to do for longer than it may look for more. */
bool ring_is_idle(struct ring *ring);

/* In the thread that runs the guest: whether this is the first system call in a request. */
bool ring_has_new_request(struct ring *ring);

/* Whether the program has answered, or says so, and the host has not taken the answer yet. */
bool ring_has_untaken_answer(const struct ring *ring);

/* Without the gate's lock: the guest does not run any more when this returns, until the next request. Takes NULL. */
void ring_pause(struct ring *ring);

/* From any thread: whether the program has ended. And of a guest that is paused: it has. */
bool ring_has_ended(struct ring *ring);
void ring_end(struct ring *ring, viso_reason reason);

struct ring_exchange {
	const void *in;
	size_t in_size;
	void *out;
	size_t out_max;
	int timeout_ms;
};

/*
 * A request to a guest that is taken, by guest_take_running(). As viso_guest_request(). It began at `begin`
 * (CLOCK_MONOTONIC, nanoseconds), or with 0 now: the clock is not looked at where the answer comes at once.
 */
int64_t ring_request(struct viso_guest *guest, struct instance *instance, const struct ring_exchange *exchange,
		     int64_t begin, const char *function);

#endif
