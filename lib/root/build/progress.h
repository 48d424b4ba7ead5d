/* SPDX-License-Identifier: MIT */
/* Telling the caller how far it is, and hearing whether to stop. */
#ifndef ROOT_PROGRESS_H
#define ROOT_PROGRESS_H

#include <stdatomic.h>
#include <stdint.h>

#include "root/build/settings.h"

struct progress {
	const struct settings *settings;
	const atomic_bool *cancelled;
	uint64_t done, total;
	uint64_t told;    /* `done` at the last call */
	unsigned entries; /* since the last call */
	const char *path; /* what is being made */
};

/* Each of these: 0, or -ECANCELED with the error set. */

/* -ECANCELED. */
int progress_fail_cancelled(const struct progress *progress);

/* The next entry begins. */
int progress_begin_entry(struct progress *progress, const char *path);

/* So many bytes more are in place. */
int progress_add(struct progress *progress, uint64_t bytes);

/* Everything is in place: says so once more. */
int progress_end(struct progress *progress);

#endif
