/* SPDX-License-Identifier: MIT */
/* The frozen state of an initialised guest. It is constant once it is there: clones are made by several threads.
 */
#ifndef GUEST_SNAPSHOT_SNAPSHOT_H
#define GUEST_SNAPSHOT_SNAPSHOT_H

#include <pthread.h>
#include <virtiso/snapshot.h>

#include "core/handle.h"
#include "guest/contact/stay.h"
#include "guest/memory/address_space.h"
#include "guest/memory/frozen.h"
#include "guest/program/program.h"
#include "guest/x86_64/vcpu.h"

struct contained_frozen;
struct instance;

/* How many machines of clones that are gone are kept for the next ones. */
enum { SPARES_MAX = 4 };

/* What there is in the place of programs where the guest boots an operating system: kernel/snapshot/ knows the rest. */
struct frozen_computer {
	void (*release)(struct frozen_computer *computer, bool is_forked);
	uint64_t size;
};

struct viso_snapshot {
	struct handle handle;
	viso_guest *settings;               /* a guest that has the settings and runs nothing */
	struct frozen_computer *computer;   /* owned; NULL for program guests */
	struct contained_frozen *contained; /* owned: then it lies elsewhere; all that follows is for those without */
	struct frozen_memory *memory;
	uint64_t further_owners;    /* that its pages have, at most: of processes that forked */
	struct address_space space; /* of space_keep() */
	struct program program;     /* without a machine */
	struct instance *holder;    /* likewise: what the program's threads and files belong to */
	int64_t frozen_at;          /* CLOCK_MONOTONIC */
	struct view view;           /* its files, over what was frozen */
	struct view origin;         /* of the guest that was frozen: holds what the others borrow */
	viso_snapshot *parent;      /* that the guest was a clone of: likewise; NULL for none */
	struct vcpu_state vcpu;
	struct stay stay; /* without names; its task is one of the holder's */

	pthread_mutex_t lock;                /* guards what follows, which is not constant */
	struct instance *spares[SPARES_MAX]; /* as they were when they were cloned; they hold no reference */
	size_t spare_count;
};

/* Freezes an initialised instance, which goes on as it is. 0 or a negative errno with the error set. */
int snapshot_take(struct instance *instance, const char *function, viso_snapshot **out_snapshot);

/* The instance of the guest, which is taken, becomes what its snapshot has. 0, or a negative errno with the error set:
 * its program has ended. */
int snapshot_bring_back(struct viso_guest *guest, struct instance *instance);

/* The last step of making one: puts its extended state where its clones restore it from. */
void snapshot_put_state(viso_snapshot *snapshot, const struct processor *processor);

/* A guest that goes on from the snapshot, and holds a reference to it. 0 or a negative errno with the error set. */
int snapshot_instantiate(viso_snapshot *snapshot, struct viso_guest *guest, struct instance **out_instance);

/* Takes an instance whose guest is gone back: it is reset for the next clone, or freed. Takes NULL. */
void snapshot_give_back(struct instance *instance);

#endif
