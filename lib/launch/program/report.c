/* SPDX-License-Identifier: MIT */
/* What goes back to the host: a failure, the use of resources; and the clock. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "launcher.h"

int fail(viso_stage stage, int error, const char *object)
{
	struct report_failure *failure = &worker.page->failure;
	if (failure->error)
		return -1;
	int e = error ? error : errno;
	failure->stage = (uint32_t)stage;
	strncpy(failure->object, object, sizeof(failure->object) - 1);
	failure->object[sizeof(failure->object) - 1] = '\0';
	failure->error = e ? e : EIO;
	return -1;
}

int fail_hook(const struct report_failure *failure)
{
	if (!worker.page->failure.error)
		worker.page->failure.status = failure->status;
	return fail((viso_stage)failure->stage, failure->error, failure->object);
}

uint64_t now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec - (uint64_t)worker.clock_shift;
}

static uint64_t to_us(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

void add_usage(struct report_usage *sum, const struct rusage *more)
{
	sum->user_us += to_us(more->ru_utime);
	sum->system_us += to_us(more->ru_stime);
	if ((uint64_t)more->ru_maxrss > sum->max_rss_kib)
		sum->max_rss_kib = (uint64_t)more->ru_maxrss;
	sum->minor_faults += (uint64_t)more->ru_minflt;
	sum->major_faults += (uint64_t)more->ru_majflt;
	sum->blocks_in += (uint64_t)more->ru_inblock;
	sum->blocks_out += (uint64_t)more->ru_oublock;
	sum->voluntary_switches += (uint64_t)more->ru_nvcsw;
	sum->involuntary_switches += (uint64_t)more->ru_nivcsw;
}

void note_step(viso_step step)
{
	worker.page->step_ns[step] = (int64_t)now_ns();
}
