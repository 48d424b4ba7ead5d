/* SPDX-License-Identifier: MIT */
/* Collecting process ids that others find: a count comes by a pipe, then as many ids as there was room for. */
#ifndef SANDBOX_PIDS_H
#define SANDBOX_PIDS_H

#include <stddef.h>

struct pids {
	int *out; /* the caller's, with room for `max` */
	size_t max;
	size_t shown;
	size_t count; /* may be more */
};

/* Lets `ask` have the answer written to a pipe, and adds it. 0 or a negative errno with the error set. */
int pids_collect(struct pids *pids, int (*ask)(void *data, int pipe), void *data);

#endif
