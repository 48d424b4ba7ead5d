/* SPDX-License-Identifier: MIT */
/* By which a device tells that the time of its next event may have changed. Called without its lock. */
#ifndef GUEST_DEVICE_PC_WAKE_H
#define GUEST_DEVICE_PC_WAKE_H

struct pc_wake {
	void (*wake)(void *data); /* NULL where nobody waits */
	void *data;
};

static inline void pc_wake(const struct pc_wake *wake)
{
	if (wake->wake)
		wake->wake(wake->data);
}

#endif
