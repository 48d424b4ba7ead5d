/* SPDX-License-Identifier: MIT */
#include "guest/program/object.h"

#include "guest/vm/kick.h"

/* What a clock showed, or would have shown, at a moment of CLOCK_MONOTONIC. */
static int64_t clock_at(int clock, int64_t moment)
{
	return clock_now(clock) - clock_now(CLOCK_MONOTONIC) + moment;
}

int64_t time_to_while(int64_t time, int clock, int64_t since)
{
	return time > INT64_MAX / 2 ? INT64_MAX : time - clock_at(clock, since);
}

int64_t time_from_while(int64_t time, int clock, int64_t since)
{
	return time > INT64_MAX / 2 ? INT64_MAX : time + clock_at(clock, since);
}
