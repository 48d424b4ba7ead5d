/* SPDX-License-Identifier: MIT */
/* The frozen state of an initialised guest. All of it is constant once it is there: clones are made by several threads.
 */
#ifndef GUEST_SNAPSHOT_SNAPSHOT_H
#define GUEST_SNAPSHOT_SNAPSHOT_H

#include <virtiso/snapshot.h>

#include "core/handle.h"
#include "guest/address_space.h"
#include "guest/frozen.h"
#include "guest/program/program.h"
#include "guest/stay.h"
#include "guest/x86_64/vcpu.h"

struct instance;

struct viso_snapshot {
	struct handle handle;
	viso_guest *settings; /* a guest that has the settings and runs nothing */
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
};

/* A guest that goes on from the snapshot, and holds a reference to it. 0 or a negative errno with the error set. */
int snapshot_instantiate(viso_snapshot *snapshot, struct viso_guest *guest, struct instance **out_instance);

#endif
