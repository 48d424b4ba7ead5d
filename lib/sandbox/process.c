/* SPDX-License-Identifier: MIT */
#include "sandbox/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <virtiso/container_network.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "sandbox/answer.h"
#include "sandbox/process_list.h"
#include "sandbox/reply.h"
#include "sandbox/result.h"

viso_process *process_new(void)
{
	viso_process *process = calloc(1, sizeof(*process));
	if (!process)
		return NULL;
	handle_init(&process->handle);
	pthread_mutex_init(&process->lock, NULL);
	process->pool_worker = process->events = process->fd = process->terminal = process->notifications =
		process->root = -1;
	for (int i = 0; i < 3; i++)
		process->stream[i] = -1;
	return process;
}

static int64_t now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Waits until the process has ended. 0, -ETIMEDOUT or -EINTR. */
static int wait_readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int64_t end = timeout_ms > 0 ? now_ms() + timeout_ms : 0;
	int r = poll(&poll_fd, 1, timeout_ms);

	/* poll(2) may return a little early by this clock. */
	while (r == 0 && timeout_ms > 0 && now_ms() < end)
		r = poll(&poll_fd, 1, 1);
	if (r > 0)
		return 0;
	if (r == 0)
		return error_fail(VISO_STAGE_PROCESS, ETIMEDOUT, "wait", "the command still runs after %d ms",
				  timeout_ms);
	return error_fail(VISO_STAGE_PROCESS, errno, "poll", NULL);
}

/* 0 or a negative errno of the end; 1 where what was readable is not the end. With the lock held. */
static int collect(viso_process *process)
{
	int r = process->ops->collect(process, &process->result);
	if (r <= 0)
		process->collect_error = r;
	return r;
}

/* With the lock held on return. 0 or a negative errno. */
static int wait_and_lock(viso_process *process, int timeout_ms)
{
	pthread_mutex_lock(&process->lock);
	if (process->result || process->collect_error)
		return 0;
	process->waiters++;
	pthread_mutex_unlock(&process->lock);
	int r = wait_readable(process->fd, timeout_ms);
	pthread_mutex_lock(&process->lock);
	process->waiters--;
	return r;
}

int process_finish(viso_process *process, int timeout_ms)
{
	int r;
	do {
		r = wait_and_lock(process, timeout_ms);
		if (r < 0) {
			pthread_mutex_unlock(&process->lock);
			return r;
		}
		if (process->result)
			r = 0;
		else if (process->collect_error)
			r = error_fail(VISO_STAGE_PROCESS, -process->collect_error, "wait",
				       "the result of the command was lost");
		else
			r = collect(process);
		pthread_mutex_unlock(&process->lock);
	} while (r > 0);

	process_list_remove(process);
	return r;
}

int process_await_end(viso_process *process)
{
	int r, patience = process->ops->insist ? REPLY_PATIENCE_MS : -1;
	while ((r = process_finish(process, patience)) == -EINTR || (r == -ETIMEDOUT && patience > 0))
		if (r == -ETIMEDOUT)
			process->ops->insist(process);
	return r;
}

static void process_free(viso_process *process)
{
	if (handle_is_mine(&process->handle) && process->ops && !process->result && !process->collect_error) {
		process->ops->kill(process);
		process_await_end(process);
	}
	if (process->ops)
		process->ops->release(process);
	if (handle_is_mine(&process->handle))
		process_list_remove(process);
	process_list_unref(process->list);
	if (process->network) {
		if (handle_is_mine(&process->handle))
			process->network->ops->disconnect(process->network);
		process->network->ops->release(process->network);
	}
	close_fd(process->fd);
	close_fd(process->terminal);
	close_fd(process->notifications);
	close_fd(process->root);
	for (int i = 0; i < 3; i++)
		close_fd(process->stream[i]);
	viso_result_unref(process->result);
	pthread_mutex_destroy(&process->lock);
	free(process);
}

viso_process *viso_process_ref(viso_process *process)
{
	if (process)
		handle_ref(&process->handle);
	return process;
}

viso_process *viso_process_unref(viso_process *process)
{
	if (process && handle_unref(&process->handle))
		process_free(process);
	return NULL;
}

int viso_process_pid(viso_process *process)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	return r < 0 ? r : process->pid;
}

int viso_process_fd(viso_process *process)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	return r < 0 ? r : process->fd;
}

int viso_process_take_stream(viso_process *process, viso_stream stream)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	if (r < 0)
		return r;
	if ((unsigned)stream > VISO_STDERR)
		return error_argument(__func__, "no such stream");
	if (process->stream[stream] < 0)
		return error_fail(VISO_STAGE_STDIO, EBADF, __func__, "%s: the stream is no pipe, or was taken already",
				  __func__);
	return TAKE_FD(process->stream[stream]);
}

int viso_process_signal(viso_process *process, int signal)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (signal < 1 || signal > 64)
		return error_argument(__func__, "a signal is a number from 1 to 64");
	if (signal == SIGKILL)
		return viso_process_kill(process);

	pthread_mutex_lock(&process->lock);
	if (process->result || process->collect_error)
		r = error_fail(VISO_STAGE_PROCESS, ESRCH, __func__, "the command has ended");
	else
		r = process->ops->signal(process, signal);
	pthread_mutex_unlock(&process->lock);
	return r;
}

int viso_process_kill(viso_process *process)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	if (r < 0)
		return r;

	pthread_mutex_lock(&process->lock);
	if (!process->result && !process->collect_error)
		r = process->ops->kill(process);
	pthread_mutex_unlock(&process->lock);
	return r;
}

int viso_process_wait(viso_process *process, int timeout_ms, viso_result **out_result)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (timeout_ms < -1)
		return error_argument(__func__, "the time-out is below -1");
	r = process_finish(process, timeout_ms);
	if (r < 0)
		return r;
	if (out_result)
		*out_result = viso_result_ref(process->result);
	return 0;
}

int viso_process_addresses(viso_process *process, char *buffer, size_t size)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (size && !buffer)
		return error_argument(__func__, "the buffer is NULL");
	if (!process->network)
		return error_fail(VISO_STAGE_NETWORK, EOPNOTSUPP, __func__,
				  "%s: only a container has a network of its own", __func__);
	pthread_mutex_lock(&process->lock);
	if (process->result || process->collect_error)
		r = error_fail(VISO_STAGE_PROCESS, ESRCH, __func__, "the command has ended");
	else
		r = process->network->ops->addresses(process->network, buffer, size);
	pthread_mutex_unlock(&process->lock);
	return r;
}
