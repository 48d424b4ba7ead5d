/* SPDX-License-Identifier: MIT */
/*
 * The doorbell of a computer (virtiso/doorbell.h): the guest's hypercalls, and the host program's requests, through
 * pages that both share. Whatever stands in the pages the guest may have put there, and changes at any time: which
 * blocks and slots are in use the host knows by itself, and copies once what it decides by.
 */
#ifndef GUEST_DEVICE_DOORBELL_H
#define GUEST_DEVICE_DOORBELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/interrupt.h"
#include "guest/device/ram.h"
#include "guest/device/state.h"

enum { DOORBELL_PORTS = 1, DOORBELL_SIZE = 528384, DOORBELL_NAME_MAX = 127 };

struct doorbell;
struct viso_guest;

/*
 * The processor that rings, by its thread, around a handler: it counts as standing still meanwhile, and returns not
 * while the computer is paused.
 */
struct doorbell_processor {
	void (*leave)(void);
	void (*back)(void);
};

/* The computer is another process's, which may be hostile: it has the pages and the port, and reaches the memory. */
struct doorbell_apart {
	int pages; /* a memory file of DOORBELL_SIZE bytes that keeps its size, borrowed */
	/* Memory of the guest's, without a lock: 0, -EFAULT, or -ESRCH where the other process does not do it. */
	int (*access)(void *data, uint64_t address, void *buffer, size_t size, bool writes);
	void (*release)(void *data); /* with the doorbell, also in a forked child */
	void *data;
};

struct doorbell_setting {
	const struct ram *ram;
	uint64_t address; /* of the pages */
	uint32_t port, line;
	struct interrupt interrupt; /* edge-triggered */
	struct doorbell_processor processor;
	unsigned poll_us;                   /* so long whoever asks looks for the answer before it sleeps */
	const struct doorbell_apart *apart; /* NULL where it rings by doorbell_ops, and waits until that returns */
	struct viso_guest *guest;           /* whose handlers are called; it is there until doorbell_close() */
};

/* A reference, or NULL for want of memory. */
struct doorbell *doorbell_new(const struct doorbell_setting *setting);
struct doorbell *doorbell_ref(struct doorbell *doorbell);
void doorbell_unref(struct doorbell *doorbell);
/* In a forked child: as doorbell_unref(), memory only. */
void doorbell_forget(struct doorbell *doorbell);

/* The pages, for the machine: DOORBELL_SIZE bytes, until the last reference is gone. */
void *doorbell_pages(struct doorbell *doorbell);

/* At its port. */
extern const struct bus_ops doorbell_ops;

/*
 * For one that is apart, after it has rung: its answers are heard; so many calls are there to be made; and made, by
 * this thread, which runs the handlers. Without a lock.
 */
void doorbell_hear_answers(struct doorbell *doorbell);
unsigned doorbell_count_calls(struct doorbell *doorbell);
void doorbell_make_calls(struct doorbell *doorbell);

/* Changes whenever a call was begun or an answer was heard: what rings for nothing is known by it. Without a lock. */
unsigned doorbell_progress(const struct doorbell *doorbell);

/* The pages and the guest's memory are not written to meanwhile; what comes of that is kept for later. */
void doorbell_pause(struct doorbell *doorbell);
void doorbell_resume(struct doorbell *doorbell);

/*
 * What it is, while it is paused; and the same for one that was not used. 0, or -EINVAL with the error set. Then, by
 * the thread of a processor, what the guest waits for is begun anew.
 */
void doorbell_save(struct doorbell *doorbell, struct state_writer *out);
int doorbell_load(struct doorbell *doorbell, struct state_reader *in);
void doorbell_ring_again(struct doorbell *doorbell);

/* For one that is apart, in place of that: answers are put down, and such calls wait to be made by
 * doorbell_make_calls(). */
void doorbell_submit_again(struct doorbell *doorbell);

bool doorbell_is_paused(struct doorbell *doorbell);

/* Neither guest nor memory are touched any more: whoever waits fails with -ESRCH. A second call does nothing. */
void doorbell_close(struct doorbell *doorbell);

struct doorbell_request {
	unsigned kind;    /* VISO_REQUEST_ */
	const char *name; /* at most DOORBELL_NAME_MAX bytes; NULL for none */
	uint64_t args[6];
	const void *in;
	size_t in_size;
	void *out;
	size_t out_max;
	int timeout_ms;   /* -1 for none */
	uint64_t *number; /* where the answer to VISO_REQUEST_CALL is put; NULL where it is not wanted */
};

/*
 * Asks the guest and waits for its answer: how many bytes were put to `out`; or -EBUSY, -EMSGSIZE, -ETIMEDOUT,
 * -ECANCELED, -ENOENT, -EREMOTEIO, -ESRCH with the error set in the name of `function`.
 */
int64_t doorbell_ask(struct doorbell *doorbell, const struct doorbell_request *request, const char *function);

/* Cancels all that wait: whether there was one. */
bool doorbell_cancel(struct doorbell *doorbell);

#endif
