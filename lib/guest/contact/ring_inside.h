/* SPDX-License-Identifier: MIT */
/* The inside of a ring: what its two directions share. */
#ifndef GUEST_CONTACT_RING_INSIDE_H
#define GUEST_CONTACT_RING_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "guest/contact/hypercalls.h"
#include "guest/contact/ring.h"
#include "guest/numbers.h"

/* Looks between two looks at the clock, which takes as long as several. */
enum { RING_LOOKS = 64 };

/* Of the program's hypercalls. */
struct ring_calls {
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* guards what follows; held by whoever consumes */
	pthread_cond_t changed;
	atomic_uint taken;     /* the last one; changed with the lock held */
	bool is_awake;         /* wanted */
	viso_hypercall *spare; /* for the next one; NULL where a handler has kept the last, and at first */
	bool has_lost_guest;   /* by a handler: no further one is served */

	atomic_uint waiters; /* that want the lock: the thread gives it up between two hypercalls */
	atomic_bool is_closing;

	/* The thread's own. */
	struct viso_guest *orphan; /* to be freed */
};

/* Of the host's requests. One is on its way at a time, by whoever has taken the guest. */
struct ring_requests {
	pthread_t thread; /* runs the guest */
	bool has_thread;
	atomic_uint posted; /* the last one */
	atomic_uint done;   /* the last one that has its answer, or will not get any */
	atomic_bool rests;  /* the thread does not run the guest; changed with the lock held */
	atomic_bool has_ended;
	pthread_mutex_t lock;  /* guards what follows */
	pthread_cond_t work;   /* for the thread */
	pthread_cond_t change; /* for others: rests, has_ended, and what the doorbell tells */
	bool is_held;          /* the guest is not to be run */
	bool is_closing;

	/* The thread's own. */
	uint32_t seen;    /* the last one when it left the guest */
	uint32_t counted; /* the last one whose system calls were counted */
	uint32_t idle;    /* the last one when the guest was found idle, since: */
	int64_t idle_since;
};

struct ring {
	struct instance *instance;
	volatile struct viso_ring *page;
	int64_t poll_ns;
	struct ring_calls calls;
	struct ring_requests requests;
};

/*
 * The handler's answer to a hypercall. False where the program must ask by an exit. With the lock of the hypercalls
 * held, without the gate's, and between serving_begin() and serving_end(). Once the program has its answer, which so
 * does not wait for that, ring_end_call() must follow.
 */
bool ring_call_handler(struct ring *ring, volatile const struct viso_ring_ask *ask, int64_t *out_value);
void ring_end_call(struct ring *ring, int64_t value);

/*
 * The guest whose last reference a handler has given back, where nobody else will free it: while no request is on its
 * way. Then that is the calling thread's, which is one of these. With the gate's lock held.
 */
struct viso_guest *ring_take_orphan(struct ring *ring);

/* Waits for one of these threads, unless it is the calling one. */
void ring_end_thread(pthread_t thread);

void ring_init_requests(struct ring_requests *requests);
void ring_close_requests(struct ring *ring);

#endif
