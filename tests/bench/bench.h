/* SPDX-License-Identifier: MIT */
/* What the drivers of the benchmark share. A driver prints one line for each repetition: how many nanoseconds it took.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t bench_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int bench_count(const char *text)
{
	char *end;
	long count = strtol(text, &end, 10);
	if (*end || count < 1 || count > 1000000) {
		fprintf(stderr, "%s: a number of repetitions is wanted, 1 to 1000000\n", text);
		exit(2);
	}
	return (int)count;
}

/* All at the end, so that no write disturbs the repetition after it. */
static inline void bench_print(const int64_t *ns, int count)
{
	for (int i = 0; i < count; i++)
		printf("%lld\n", (long long)ns[i]);
}

#endif
