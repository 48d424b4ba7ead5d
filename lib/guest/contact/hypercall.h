/* SPDX-License-Identifier: MIT */
/* The inside of a viso_hypercall and of its handler. */
#ifndef GUEST_CONTACT_HYPERCALL_H
#define GUEST_CONTACT_HYPERCALL_H

#include <stdatomic.h>

#include "core/handle.h"
#include "guest/contact/hypercalls.h"

struct task;

struct hypercall_handler {
	atomic_uint references;
	viso_hypercall_fn function; /* NULL where these are queued */
	void *userdata;
	viso_destroy_fn destroy;
};

/*
 * One of a guest that another process serves: what is done with it there. 0 or a negative errno; the error is not set.
 */
struct hypercall_far {
	int (*access)(viso_hypercall *hypercall, uint64_t address, void *buffer, size_t size, bool writes);
	int (*defer)(viso_hypercall *hypercall);
	int (*settle)(viso_hypercall *hypercall, int64_t value);
	/* The last reference is gone: frees it. */
	void (*release)(viso_hypercall *hypercall);
};

struct viso_hypercall {
	struct handle handle;            /* the references of the host program; that of the queue is one */
	const struct hypercall_far *far; /* NULL for one of this process */
	void *link;                      /* of that: owned reference; it guards what follows */
	uint64_t id;
	struct gate *gate; /* owned reference; its lock guards what follows */
	unsigned number;
	uint64_t args[6];
	struct task *task;        /* that waits, and refers to it; NULL where it does not any more */
	viso_hypercall *all_next; /* of those in the gate whose task waits; not one that came through the ring */
	viso_hypercall **all_link;
	bool in_handler;
	pthread_t thread; /* of the handler */
	bool is_by_ring;  /* cannot be deferred */
	bool is_deferred; /* or queued */
	bool is_answered;
	int64_t answer;
	int answer_fd; /* readable once it is answered; -1 where nobody may wait */

	bool is_queued; /* guarded by the queue's lock, with next */
	viso_hypercall *next;
};

/* One of a task, with a reference for the caller; NULL without memory. It is not among those of the gate yet. */
viso_hypercall *hypercall_make(struct task *task);

/* With the lock held: whoever waits for it has the answer. */
void hypercall_set_answer(viso_hypercall *hypercall, int64_t value);

/* The task goes on without it. Whoever gives the last reference back frees it, which may be this. With the lock held.
 */
void hypercall_part(viso_hypercall *hypercall);

/* Without that: nobody else has it. */
void hypercall_free(viso_hypercall *hypercall);

/* Calls a handler, with the references that it needs held by the caller. */
int64_t hypercall_call(const struct viso_guest *guest, const struct hypercall_handler *handler,
		       viso_hypercall *hypercall);

/* As viso_hypercall_defer(), of one whose handler runs, by any thread and without the error set. */
int hypercall_defer(viso_hypercall *hypercall);

/* Whether no task waits for it any more. */
bool hypercall_is_gone(viso_hypercall *hypercall);

/* Both take NULL. In a forked child (not `is_mine`) the caller's data stays. */
struct hypercall_handler *hypercall_handler_ref(struct hypercall_handler *handler);
void hypercall_handler_unref(struct hypercall_handler *handler, bool is_mine);

/* The handler of a number, borrowed, or NULL. */
struct hypercall_handler *hypercalls_find(const struct viso_guest *guest, uint64_t number);

/* The queue takes a reference over, and gives it with hypercalls_dequeue(), which is false where somebody has taken the
 * hypercall. */
void hypercalls_enqueue(struct guest_hypercalls *hypercalls, viso_hypercall *hypercall);
bool hypercalls_dequeue(struct guest_hypercalls *hypercalls, viso_hypercall *hypercall);

#endif
