/* SPDX-License-Identifier: MIT */
#ifndef PROBE_H
#define PROBE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Or ends the probe, and says which line was not so. */
#define check(condition)                                                                                               \
	do                                                                                                             \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "line %d: " #condition ": %s\n", __LINE__, strerror(errno));                   \
			exit(1);                                                                                       \
		}                                                                                                      \
	while (0)

/* What a probe does is chosen by its first argument; it returns its exit code. */
struct probe {
	const char *name;
	int (*run)(int argc, char **argv);
};

/* The tables of the other files, which end with an empty entry. */
extern const struct probe attack_probes[];
extern const struct probe bounds_probes[];
extern const struct probe mapped_probes[];
extern const struct probe stop_probes[];
extern const struct probe expected_probes[];
extern const struct probe memory_probes[];
extern const struct probe signal_probes[];
extern const struct probe signal_wait_probes[];
extern const struct probe signal_attack_probes[];
extern const struct probe signal_thread_probes[];
extern const struct probe socket_probes[];
extern const struct probe thread_probes[];
extern const struct probe process_probes[];

#endif
