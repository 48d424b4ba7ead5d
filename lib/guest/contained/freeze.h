/* SPDX-License-Identifier: MIT */
/* What a contained computer is, for snapshots: it comes from a process that may be hostile. */
#ifndef GUEST_CONTAINED_FREEZE_H
#define GUEST_CONTAINED_FREEZE_H

struct computer_snapshot;
struct contained_computer;

/*
 * Has the process tell what its computer is, which goes on then. Of the state the host knows nothing but its size;
 * memory lies in a sealed file. The shape is the caller's but for the number of devices. 0 or a negative errno with
 * the error set: -EAGAIN the process is silent, -EPROTO it tells what cannot be, -ESRCH it has ended.
 */
int contained_freeze(struct contained_computer *computer, struct computer_snapshot *out);

#endif
