/* SPDX-License-Identifier: MIT */
/* The inside of a doorbell: what its two directions share. */
#ifndef GUEST_DEVICE_DOORBELL_INSIDE_H
#define GUEST_DEVICE_DOORBELL_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <virtiso/guest_hypercalls.h>

#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>

#include "guest/device/doorbell.h"

/* A call block, as the host knows it. */
struct doorbell_call {
	viso_hypercall *hypercall; /* that has no answer yet; no reference: it leaves this before it is freed */
	bool has_answer;           /* which is to be put down when the computer goes on */
	int64_t answer;
	bool is_to_ring; /* it was on its way when the computer was frozen */
};

enum slot_state {
	SLOT_FREE,
	SLOT_WAITED,    /* somebody waits for the answer */
	SLOT_ABANDONED, /* nobody does any more, but the guest may be at it */
};

struct doorbell_slot {
	enum slot_state state;
	bool is_answered, is_cancelled;
};

struct doorbell {
	atomic_uint references;
	volatile struct viso_doorbell_pages *pages;
	struct ram ram;
	uint64_t address;
	struct interrupt interrupt;
	struct doorbell_processor processor;
	struct doorbell_apart apart; /* `access` is NULL for one that is not */
	int64_t poll_ns;
	atomic_uint progress; /* counts calls that were begun, and answers that were heard */

	pthread_mutex_t lock;   /* guards what follows; none is taken within it but that of the guest's queue */
	pthread_cond_t changed; /* of everything */
	struct viso_guest *guest;
	bool is_paused, is_closed;
	struct doorbell_call calls[VISO_DOORBELL_CALL_COUNT];
	struct doorbell_slot slots[VISO_DOORBELL_REQUEST_COUNT];
	uint32_t serial;
	uint32_t polls; /* slots whose answers somebody looks for: what the guest is told */
};

static inline void doorbell_goes_on(struct doorbell *doorbell)
{
	atomic_fetch_add_explicit(&doorbell->progress, 1, memory_order_relaxed);
}

/* The guest has rung for this block: its call is made, if there is one. Without the lock. */
void doorbell_ring_call(struct doorbell *doorbell, unsigned index);

/* With the lock held: answers that were kept are put down. */
void doorbell_resume_calls(struct doorbell *doorbell);

/* With the lock held: the guest waits for none any more. Those that were queued, whose references are given back
 * without the lock. */
unsigned doorbell_close_calls(struct doorbell *doorbell, viso_hypercall *out[VISO_DOORBELL_CALL_COUNT]);

/* With the lock held: the guest has rung for this slot; what was given up meanwhile is taken back. */
void doorbell_ring_slot(struct doorbell *doorbell, unsigned index);
void doorbell_resume_slots(struct doorbell *doorbell);

#endif
