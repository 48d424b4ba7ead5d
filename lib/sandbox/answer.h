/* SPDX-License-Identifier: MIT */
/* Asking whoever runs a process, or an instance, by a pipe for the answer. */
#ifndef SANDBOX_ANSWER_H
#define SANDBOX_ANSWER_H

#include <stdbool.h>

#include "sandbox/process.h"
#include "sandbox/result.h"

/*
 * Lets `ask` have figures written to a pipe, and adds those that are known; in `figures` -1 is not known. 1; 0 where it
 * ended before it answered; or a negative errno with the error set.
 */
int answer_usage(int (*ask)(void *data, int pipe), void *data, int64_t figures[RESULT_USAGE_COUNT]);

/* The same for what came of pausing or resuming: 1 where it is done. */
int answer_pause(int (*ask)(void *data, int pipe), void *data);

/* Of one process, as above. -ENODATA where it is not told apart from others, -EOPNOTSUPP where nothing is known. */
int process_usage(viso_process *process, int64_t figures[RESULT_USAGE_COUNT]);
int process_pause(viso_process *process, bool pause);

#endif
