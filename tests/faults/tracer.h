/* SPDX-License-Identifier: MIT */
/*
 * Follows a host program, its launcher and all that this starts, call by call (ptrace(2)), and makes one call fail.
 *
 * A call is known again in the next run by its process's part in the start, its number, and which of such calls of the
 * process it is.
 */
#ifndef FAULTS_TRACER_H
#define FAULTS_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What the host program is doing, told by tracer_phase(): calls are counted, and made to fail, in the last two. */
enum tracer_phase { PHASE_OTHER, PHASE_START, PHASE_END };

struct call_point {
	enum tracer_phase phase;
	char part[24]; /* host, starter, launcher, worker, worker/1 for its first child, worker/1/2 … */
	int number;
	int occurrence; /* from 1 on */
};

struct call_list {
	struct call_point *points;
	size_t count;
};

struct fault {
	struct call_point point;
	int error;   /* positive errno */
	bool killed; /* instead: the process is killed as it makes the call */
};

enum { TRACED_MAX = 64 };

struct trace_outcome {
	bool met;               /* the call to fail was made */
	bool hung;              /* somebody did not end; all were killed */
	int status;             /* of the host, as of wait(2) */
	pid_t pids[TRACED_MAX]; /* the first of all that there were */
	int pid_count;
	char text[512]; /* who hung, in which call */
};

/* Whether this processor's registers are known. */
bool tracer_works(void);

/*
 * Runs the function in a fork, to the end of everything that comes from it. `fault` may be NULL; `calls` collects those
 * that were made where it is not NULL.
 */
void trace(void (*function)(void *), void *argument, const struct fault *fault, unsigned seconds,
	   struct call_list *calls, struct trace_outcome *outcome);

/* In the host. */
void tracer_phase(enum tracer_phase phase);

#endif
