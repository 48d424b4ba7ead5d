/* SPDX-License-Identifier: MIT */
#include "launch/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "launch/explain/explain.h"
#include "launch/launched.h"
#include "launch/launcher.h"
#include "launch/own_socket.h"

/* The one that has waited longest comes first: it has had the time to make the next one ready. */
struct pool {
	atomic_uint references;
	pid_t owner;
	pthread_mutex_t lock; /* guards all below */
	struct own_socket *free;
	unsigned free_count;
	unsigned room; /* for as many free ones */
	unsigned lent;
	unsigned wanted;
};

struct pool *pool_new(void)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	atomic_init(&pool->references, 1);
	pool->owner = getpid();
	pthread_mutex_init(&pool->lock, NULL);
	return pool;
}

struct pool *pool_ref(struct pool *pool)
{
	atomic_fetch_add(&pool->references, 1);
	return pool;
}

/* A forked copy has the fds as well, and no say. */
static bool is_mine(const struct pool *pool)
{
	return pool->owner == getpid();
}

void pool_unref(struct pool *pool)
{
	if (!pool || atomic_fetch_sub(&pool->references, 1) != 1)
		return;
	if (is_mine(pool))
		pool_close(pool);
	for (unsigned i = 0; i < pool->free_count; i++)
		own_socket_close(&pool->free[i]);
	pthread_mutex_destroy(&pool->lock);
	free(pool->free);
	free(pool);
}

static int take(struct pool *pool)
{
	int channel = -1;
	pthread_mutex_lock(&pool->lock);
	while (channel < 0 && pool->free_count > 0) {
		struct own_socket first = pool->free[0];
		pool->free_count--;
		memmove(pool->free, pool->free + 1, pool->free_count * sizeof(first));
		if (own_socket_is_ours(&first))
			channel = first.fd;
	}
	if (channel >= 0)
		pool->lent++;
	pthread_mutex_unlock(&pool->lock);
	return channel;
}

/* Not by closing alone: a fork of this process may have it, too, and then the worker would wait for ever. */
static void dismiss(int channel)
{
	shutdown(channel, SHUT_RDWR);
	close_fd(channel);
}

static void give(struct pool *pool, int channel, bool usable)
{
	pthread_mutex_lock(&pool->lock);
	pool->lent--;
	if (usable && pool->free_count + pool->lent < pool->wanted) {
		pool->free[pool->free_count++] = own_socket(channel);
		channel = -1;
	}
	pthread_mutex_unlock(&pool->lock);
	if (channel >= 0)
		dismiss(channel);
}

/* The first for the host program, the second for the launcher. */
static int make_channel(int channel[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
		return error_fail(VISO_STAGE_LAUNCHER, errno, "socketpair", NULL);
	channel[0] = fd_above_streams(channel[0]);
	if (channel[0] >= 0)
		return 0;
	int r = error_fail(VISO_STAGE_LAUNCHER, errno, "socketpair", NULL);
	close_fd(channel[1]);
	return r;
}

int pool_send(struct pool *pool, struct launch_request *request, viso_process *process)
{
	int channel[2], worker;
	int r = request_complete(request, process, false);
	if (r < 0)
		return r;
	while ((worker = take(pool)) >= 0) {
		r = make_channel(channel);
		if (r < 0) {
			give(pool, worker, true);
			return r;
		}
		request->fds[0] = channel[1];
		request->plan->head.own_channel = 1;
		request->plan->head.fd_count = (uint32_t)request->fd_count;
		request_note_sent(process);
		r = launcher_send_to_instance(worker, request->plan, request->fds, request->fd_count);
		close_fd(channel[1]);
		if (r == 0) {
			request_hand_over(request, process, channel[0], false);
			process->pool = pool_ref(pool);
			process->pool_worker = worker;
			return 0;
		}
		close_fd(channel[0]);
		request->plan->head.own_channel = 0;
		give(pool, worker, r != -EPIPE);
		if (r != -EPIPE)
			return r;
	}
	return 1;
}

void pool_give_back(viso_process *process)
{
	if (!process->pool)
		return;
	if (is_mine(process->pool))
		give(process->pool, process->pool_worker, true);
	else
		close_fd(process->pool_worker);
	pool_unref(process->pool);
	process->pool = NULL;
}

static int send_preparation(struct launch_request *request, int *out_channel)
{
	int channel[2];
	int r = make_channel(channel);
	if (r < 0)
		return r;
	request->fds[0] = channel[1];
	r = launcher_send(request->plan, request->fds, request->fd_count);
	close_fd(channel[1]);
	if (r < 0)
		close_fd(channel[0]);
	else
		*out_channel = channel[0];
	return r;
}

static int await_preparation(int channel)
{
	struct report report;
	ssize_t n;
	while ((n = recv(channel, &report, sizeof(report), 0)) < 0 && errno == EINTR)
		;
	if (n != sizeof(report))
		return error_fail(VISO_STAGE_LAUNCHER, EPIPE, "launcher",
				  "the launcher was killed from outside while containers were prepared");
	return report.kind == REPORT_FAILED ? explain_failure(VISO_ISOLATION_CONTAINER, &report.failure) : 0;
}

/* Room for as many; with the lock held. */
static int make_room(struct pool *pool, unsigned count)
{
	if (count <= pool->room)
		return 0;
	struct own_socket *larger = realloc(pool->free, count * sizeof(*larger));
	if (!larger)
		return error_memory();
	pool->free = larger;
	pool->room = count;
	return 0;
}

/* All are asked before the first answer is awaited, so that they are at it side by side. */
static int prepare_more(struct launch_request *request, int *channels, unsigned count)
{
	unsigned sent = 0;
	int r = 0;
	while (sent < count && (r = send_preparation(request, &channels[sent])) == 0)
		sent++;
	for (unsigned i = 0; i < sent && r == 0; i++)
		r = await_preparation(channels[i]);
	for (unsigned i = 0; r < 0 && i < sent; i++)
		dismiss(channels[i]);
	return r;
}

static void add(struct pool *pool, const int *channels, unsigned count)
{
	pthread_mutex_lock(&pool->lock);
	pool->wanted = pool->free_count + pool->lent + count;
	for (unsigned i = 0; i < count; i++)
		pool->free[pool->free_count++] = own_socket(channels[i]);
	pthread_mutex_unlock(&pool->lock);
}

/* What has too many is told so, and waited for until it has given up what it had. */
static void shrink(struct pool *pool, unsigned count)
{
	struct own_socket *gone = NULL;
	unsigned gone_count = 0;
	pthread_mutex_lock(&pool->lock);
	pool->wanted = count;
	unsigned keep = count > pool->lent ? count - pool->lent : 0;
	if (keep < pool->free_count) {
		gone_count = pool->free_count - keep;
		gone = pool->free + keep;
		pool->free_count = keep;
	}
	for (unsigned i = 0; i < gone_count; i++)
		if (own_socket_is_ours(&gone[i]))
			shutdown(gone[i].fd, SHUT_WR);
	for (unsigned i = 0; i < gone_count; i++) {
		char byte;
		if (own_socket_is_ours(&gone[i]))
			launcher_await_end(gone[i].fd);
		while (own_socket_is_ours(&gone[i]) && recv(gone[i].fd, &byte, 1, 0) < 0 && errno == EINTR)
			;
		own_socket_close(&gone[i]);
	}
	pthread_mutex_unlock(&pool->lock);
}

int pool_resize(struct pool *pool, unsigned count, struct launch_request *request)
{
	pthread_mutex_lock(&pool->lock);
	unsigned is = pool->free_count + pool->lent;
	int r = make_room(pool, count);
	pthread_mutex_unlock(&pool->lock);
	if (r < 0)
		return r;
	if (count > is) {
		_cleanup_free_ int *channels = calloc(count - is, sizeof(*channels));
		if (!channels)
			return error_memory();
		r = prepare_more(request, channels, count - is);
		if (r < 0)
			return r;
		add(pool, channels, count - is);
	}
	shrink(pool, count);
	return 0;
}

void pool_close(struct pool *pool)
{
	shrink(pool, 0);
}
