/* SPDX-License-Identifier: MIT */
/* What has gone through a device. Counted by whichever thread serves it, read by any. */
#ifndef GUEST_DEVICE_TRAFFIC_H
#define GUEST_DEVICE_TRAFFIC_H

#include <stdatomic.h>
#include <stdint.h>

enum traffic_direction { TRAFFIC_TO_GUEST, TRAFFIC_FROM_GUEST };

/* By direction. */
struct traffic {
	atomic_ullong bytes[2], operations[2];
};

static inline void traffic_count(struct traffic *traffic, enum traffic_direction direction, uint64_t bytes)
{
	atomic_fetch_add_explicit(&traffic->bytes[direction], bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&traffic->operations[direction], 1, memory_order_relaxed);
}

#endif
