/* SPDX-License-Identifier: MIT */
#include "guest/device/throttle.h"

#include <time.h>

static const uint64_t second = 1000000000;
/* A year: no wait is longer, and no sum of two times overflows. */
static const uint64_t longest = UINT64_C(31536000) * 1000000000;

/* How long so many take. */
static uint64_t duration(const struct rate *rate, uint64_t count)
{
	/* Rounded up, so that no rate is exceeded by many small ones. */
	unsigned __int128 time = ((unsigned __int128)count * second + rate->per_second - 1) / rate->per_second;
	return time < longest ? (uint64_t)time : longest;
}

void throttle_init(struct throttle *throttle, const struct rate rates[THROTTLE_KINDS])
{
	*throttle = (struct throttle){0};
	for (int i = 0; i < THROTTLE_KINDS; i++) {
		throttle->rates[i] = rates[i];
		if (rates[i].burst == 0)
			throttle->rates[i].burst = rates[i].per_second / 10 ? rates[i].per_second / 10 : 1;
	}
}

bool throttle_is_limited(const struct throttle *throttle)
{
	return throttle->rates[THROTTLE_BYTES].per_second || throttle->rates[THROTTLE_OPERATIONS].per_second;
}

/* Something of the burst must be there. */
uint64_t throttle_wait(const struct throttle *throttle, uint64_t now)
{
	uint64_t wait = 0;
	for (int i = 0; i < THROTTLE_KINDS; i++) {
		const struct rate *rate = &throttle->rates[i];
		if (rate->per_second == 0 || throttle->full_at[i] <= now)
			continue;
		uint64_t missing = throttle->full_at[i] - now, allowed = duration(rate, rate->burst - 1);
		if (missing > allowed && missing - allowed > wait)
			wait = missing - allowed;
	}
	return wait;
}

void throttle_take(struct throttle *throttle, uint64_t bytes, uint64_t now)
{
	const uint64_t counts[THROTTLE_KINDS] = {[THROTTLE_BYTES] = bytes, [THROTTLE_OPERATIONS] = 1};
	for (int i = 0; i < THROTTLE_KINDS; i++) {
		if (throttle->rates[i].per_second == 0)
			continue;
		uint64_t from = throttle->full_at[i] > now ? throttle->full_at[i] : now;
		throttle->full_at[i] = from + duration(&throttle->rates[i], counts[i]);
	}
}

uint64_t throttle_now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * second + (uint64_t)time.tv_nsec;
}
