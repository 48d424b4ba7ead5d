/* SPDX-License-Identifier: MIT */
/*
 * The frozen state of a computer: its memory, and as bytes what KVM and its devices have of it. It is constant once it
 * is there, so that many clones are made of it at once.
 */
#ifndef GUEST_KERNEL_SNAPSHOT_COMPUTER_H
#define GUEST_KERNEL_SNAPSHOT_COMPUTER_H

#include "guest/kernel/kernel.h"
#include "guest/kernel/machine.h"
#include "guest/kernel/snapshot/frozen_ram.h"
#include "guest/snapshot/snapshot.h"

/* What a computer must have in common with the one that was frozen, beside the kinds of its devices. */
struct computer_shape {
	uint64_t memory_size;
	uint32_t platform, processors, devices;
	uint32_t has_agent; /* the host has talked to one */
	uint32_t is_contained, reserved;
};

struct computer_snapshot {
	struct frozen_computer frozen; /* first: see struct viso_snapshot */
	struct computer_shape shape;
	struct frozen_ram ram;
	struct state_writer state; /* processors, controllers, devices; of a contained one nobody here looks at it */
	struct state_writer bell;  /* of a contained one: the host's side of its doorbell */
};

/* Of a snapshot of a computer. */
struct computer_snapshot *computer_of(const viso_snapshot *snapshot);

/* A snapshot with that computer, which it owns from now on, also on failure, and the settings of `guest`. NULL with the
 * error set. */
viso_snapshot *computer_wrap(struct computer_snapshot *computer, viso_guest *guest);
struct computer_snapshot *computer_new(void);

/* The machine, which was made by the same settings and not started, becomes what was frozen. 0 or a negative errno with
 * the error set. */
int computer_restore(struct machine *machine, const struct computer_snapshot *computer);

/* What KVM and devices have of a machine that stands still; the shape but for has_agent. 0 or a negative errno with the
 * error set. */
int computer_save_state(const struct machine *machine, struct computer_shape *out_shape, struct state_writer *out);

/* All of it but what lies in memory; and the same back, of which the shape is not looked at. 0 or a negative errno with
 * the error set. */
int computer_pack(const struct computer_snapshot *computer, struct state_writer *out);
int computer_unpack(struct computer_snapshot *computer, struct state_reader *in);

/* Struct kernel_ops. */
int computer_freeze(viso_guest *guest, viso_snapshot **out_snapshot);
int computer_clone(viso_snapshot *snapshot, viso_guest **out_guest);
int computer_reset(viso_guest *guest);
int computer_save(const viso_snapshot *snapshot, const char *path);
int computer_load(const char *path, viso_guest *guest, viso_snapshot **out_snapshot);

#endif
