/* SPDX-License-Identifier: MIT */
/* The inside of a contained guest that stays, for its calls (resident_calls.c), snapshots and clones (frozen.c). */
#ifndef GUEST_CONTAINED_RESIDENT_INSIDE_H
#define GUEST_CONTAINED_RESIDENT_INSIDE_H

#include <stdatomic.h>
#include <virtiso/container.h>
#include <virtiso/snapshot.h>

#include "guest/contained/resident.h"
#include "guest/contained/service.h"

struct contained_origin;
struct contained_plan;

struct resident {
	struct service service;
	viso_container *container;
	struct contained_origin *origin; /* a reference; NULL once it has ended */
	viso_snapshot *snapshot;         /* of which it is a clone, a reference; else NULL */
	bool knows_handlers;             /* of hypercalls and connections, those that the guest has */
	uint64_t serial;                 /* of the last call */
	atomic_bool has_ended;
	atomic_bool is_killed; /* for the host program */
	bool is_out_of_memory; /* the host has no room for what it answers */
	viso_result *result;   /* once it has ended and was waited for */
};

/* CLOCK_MONOTONIC in so many milliseconds; 0 for ever. */
int64_t resident_until(uint64_t ms);

/* NULL with the error set. */
struct resident *resident_new(struct viso_guest *guest, struct contained_origin *origin);

/* Starts its process. 0 or a negative errno with the error set. */
int resident_start(struct resident *resident, const struct contained_plan *plan);

/* How its start went: 0, or a negative errno with the error set; 1 where it was killed before it said so. */
int resident_take_report(struct resident *resident);

/* The guest has it, in the place of what it had, which is the caller's now. */
struct resident *resident_put(struct viso_guest *guest, struct resident *resident);

/* False where the process takes it no more; it may have said why. */
bool resident_send(struct service *service, const struct contained_call *call, const char *name, const void *in);

/* Whether it says what it must after this call: that it was done. */
bool resident_is_done(struct resident *resident, const struct contained_call *call,
		      struct contained_return *out_return);

/* It has ended, or must. Its errno, with the error set. */
int resident_fail_ended(struct viso_guest *guest, struct resident *resident, const char *function);

void resident_mark_ended(struct viso_guest *guest, struct resident *resident);

#endif
