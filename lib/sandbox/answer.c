/* SPDX-License-Identifier: MIT */
#include "sandbox/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "sandbox/reply.h"

enum { ERRNO_MAX = 4095 };

/* 1, 0 where nothing comes, or a negative errno with the error set. */
static int get(int (*ask)(void *data, int pipe), void *data, void *answer, size_t size)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_fail(VISO_STAGE_PROCESS, errno, "pipe2", NULL);
	_cleanup_close_ int from = ends[0];
	int r = ask(data, ends[1]);
	close_fd(ends[1]);
	return r < 0 ? r : reply_read(from, answer, size);
}

int answer_usage(int (*ask)(void *data, int pipe), void *data, int64_t figures[RESULT_USAGE_COUNT])
{
	int64_t now[RESULT_USAGE_COUNT];
	int r = get(ask, data, now, sizeof(now));
	for (int i = 0; r > 0 && i < RESULT_USAGE_COUNT; i++)
		if (now[i] >= 0 && __builtin_add_overflow(figures[i] < 0 ? 0 : figures[i], now[i], &figures[i]))
			figures[i] = INT64_MAX;
	return r;
}

int answer_pause(int (*ask)(void *data, int pipe), void *data)
{
	int32_t error;
	int r = get(ask, data, &error, sizeof(error));
	if (r <= 0 || error == 0)
		return r;
	/* What serves a contained guest may say anything. */
	if (error < 0 || error > ERRNO_MAX)
		error = EPROTO;
	return error_fail(VISO_STAGE_PROCESS, error, "pause",
			  error == ETIMEDOUT ? "a process cannot be stopped now: it waits in the kernel, or starts "
					       "others faster than they can be stopped"
					     : NULL);
}

static int ask_usage(void *data, int pipe)
{
	viso_process *process = data;
	pthread_mutex_lock(&process->lock);
	bool runs = !process->result && !process->collect_error;
	int r = runs ? process->ops->usage(process, pipe) : 0;
	pthread_mutex_unlock(&process->lock);
	return r;
}

static int change(viso_process *process, bool pause, int pipe)
{
	pthread_mutex_lock(&process->lock);
	bool runs = !process->result && !process->collect_error;
	int r = runs ? process->ops->pause(process, pause, pipe) : 0;
	pthread_mutex_unlock(&process->lock);
	return r;
}

static int ask_pause(void *data, int pipe)
{
	return change(data, true, pipe);
}

static int ask_resume(void *data, int pipe)
{
	return change(data, false, pipe);
}

int process_usage(viso_process *process, int64_t figures[RESULT_USAGE_COUNT])
{
	return answer_usage(ask_usage, process, figures);
}

int process_pause(viso_process *process, bool pause)
{
	return answer_pause(pause ? ask_pause : ask_resume, process);
}

/* After the end; or the launcher could not take the pipe, for want of fds. */
static int64_t usage_of_result(viso_process *process, viso_usage usage)
{
	int r = process_finish(process, REPLY_PATIENCE_MS);
	if (r == -ETIMEDOUT)
		return reply_fail_silent();
	return r < 0 ? r : viso_result_usage(process->result, usage);
}

/* Of a program in a guest, which does not tell before. */
static int64_t usage_at_end(viso_process *process, viso_usage usage, const char *function)
{
	int r = process_finish(process, 0);
	if (r == -ETIMEDOUT)
		return error_fail(VISO_STAGE_PROCESS, EOPNOTSUPP, function, "%s: what a guest uses is known at its end",
				  function);
	return r < 0 ? r : viso_result_usage(process->result, usage);
}

int64_t viso_process_usage(viso_process *process, viso_usage usage)
{
	int64_t figures[RESULT_USAGE_COUNT];
	memset(figures, 0xff, sizeof(figures));
	int r = handle_check(process ? &process->handle : NULL, __func__);
	if (r < 0)
		return r;
	if ((unsigned)usage >= RESULT_USAGE_COUNT)
		return error_argument(__func__, "no such figure");
	if (!process->ops->usage)
		return usage_at_end(process, usage, __func__);
	r = process_usage(process, figures);
	if (r == 0)
		return usage_of_result(process, usage);
	if (r < 0)
		return r;
	if (figures[usage] < 0)
		return error_fail(VISO_STAGE_PROCESS, ENODATA, __func__,
				  "%s: it is not counted for this command; a limit of the container gives it a control "
				  "group that may count it",
				  __func__);
	return figures[usage];
}
