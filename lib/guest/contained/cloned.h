/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of contained guests that stay, and their clones. The process that serves a guest saves it to memory of the
 * host's (snapshot/saved.h), and each clone is a process in a container of its own, which loads it from there. The host
 * does not look into it: whatever is in it, its clones are no worse than the guest may have been when it was frozen.
 */
#ifndef GUEST_CONTAINED_CLONED_H
#define GUEST_CONTAINED_CLONED_H

#include <stdint.h>
#include <virtiso/snapshot.h>

struct contained_frozen;

/* As viso_guest_snapshot() and viso_guest_reset() of a contained guest, which is not taken. */
int resident_freeze(viso_guest *guest, const char *function, viso_snapshot **out_snapshot);
int resident_reset(viso_guest *guest, const char *function);

/* As viso_snapshot_clone(). */
int resident_clone(viso_snapshot *snapshot, viso_guest **out_guest);

int64_t contained_frozen_size(const struct contained_frozen *frozen);
void contained_frozen_free(struct contained_frozen *frozen);

/* -EOPNOTSUPP, with the error set: such a snapshot is saved to no file. */
int contained_refuse_to_save(const char *function);

#endif
