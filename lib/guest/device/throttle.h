/* SPDX-License-Identifier: MIT */
/*
 * Rate limits: how many bytes and operations a second, and how many at once after a rest. What is larger than that
 * passes, too, and the next one waits for so much longer: nothing that a driver may ask for is held for ever.
 *
 * Nobody waits in here. Times are nanoseconds of a clock that does not go back, which is the caller's.
 */
#ifndef GUEST_DEVICE_THROTTLE_H
#define GUEST_DEVICE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

enum { THROTTLE_BYTES, THROTTLE_OPERATIONS, THROTTLE_KINDS };

/* 0 a second: no limit. A burst of 0 is what a tenth of a second gives, and at least one. */
struct rate {
	uint64_t per_second, burst;
};

struct throttle {
	struct rate rates[THROTTLE_KINDS];
	uint64_t full_at[THROTTLE_KINDS]; /* when the whole burst is there again */
};

void throttle_init(struct throttle *throttle, const struct rate rates[THROTTLE_KINDS]);
bool throttle_is_limited(const struct throttle *throttle);

/* How long the next operation has to wait; 0: it may begin. */
uint64_t throttle_wait(const struct throttle *throttle, uint64_t now);

/* One with so many bytes has begun. */
void throttle_take(struct throttle *throttle, uint64_t bytes, uint64_t now);

/* CLOCK_MONOTONIC. */
uint64_t throttle_now(void);

#endif
