/* SPDX-License-Identifier: MIT */
#include "launch/launched_instance.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "launch/detached.h"
#include "launch/explain/explain.h"
#include "launch/launched.h"
#include "launch/launcher.h"

/* The first for the host program, the second for the launcher. */
static int make_sockets(int sockets[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_fail(VISO_STAGE_LAUNCHER, errno, "socketpair", NULL);
	sockets[0] = fd_above_streams(sockets[0]);
	if (sockets[0] >= 0)
		return 0;
	int r = error_fail(VISO_STAGE_LAUNCHER, errno, "socketpair", NULL);
	sockets[1] = close_fd(sockets[1]);
	return r;
}

/* With the fd that it brings, or -1. False where the holder has ended without one. */
static bool receive(int channel, struct report *report, int *out_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = report, .iov_len = sizeof(*report)};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;
	*out_fd = -1;
	while ((n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(out_fd, CMSG_DATA(header), sizeof(*out_fd));
	return n == sizeof(*report);
}

static void disconnect(struct launched_instance *instance)
{
	if (instance->network)
		instance->network->ops->disconnect(instance->network);
}

static int await_start(struct launched_instance *instance, viso_isolation isolation)
{
	struct report report;
	int fd;
	do {
		if (!receive(instance->channel, &report, &fd))
			return error_fail(VISO_STAGE_LAUNCHER, EPIPE, "launcher",
					  "the launcher was killed from outside while the instance started");
		if (report.kind == REPORT_FD && report.fd_kind == REPORT_FD_NETWORK) {
			int r = launched_connect(instance->channel, instance->network, fd);
			if (r < 0)
				return r;
		} else if (report.kind == REPORT_FD && report.fd_kind == REPORT_FD_ROOT) {
			close_fd(instance->root);
			instance->root = fd;
		} else {
			close_fd(fd);
		}
	} while (report.kind == REPORT_FD);
	if (report.kind != REPORT_FAILED)
		explain_log_hook(&report.failure);
	if (report.kind == REPORT_STARTED && isolation == VISO_ISOLATION_CONTAINER)
		instance->init = report.pid;
	return report.kind == REPORT_FAILED ? explain_failure(isolation, &report.failure) : 0;
}

/* What the holder does not tell: a jail's root, and a container's plan. */
static int add_own(struct launched_instance *instance, const struct launch_request *request)
{
	const struct plan *plan = request->plan;
	if (plan->isolation == PLAN_JAIL) {
		instance->root = fcntl(request->fds[1], F_DUPFD_CLOEXEC, 3);
		return instance->root < 0 ? error_fail(VISO_STAGE_LAUNCHER, errno, "dup", NULL) : 0;
	}
	instance->plan = malloc(plan->head.size);
	if (!instance->plan)
		return error_memory();
	memcpy(instance->plan, plan, plan->head.size);
	return 0;
}

static int send_plan(struct launch_request *request, int channel[2], int plans[2], const struct detached_entry *entry)
{
	request->fds[0] = channel[1];
	request_add_fd(request, plans[1]);
	request->plan->instance_fd = (uint32_t)request->fd_count - 1;
	if (entry)
		detached_add(request, entry, plans[0], channel[0]);
	request->plan->head.fd_count = (uint32_t)request->fd_count;
	if (request->error)
		return request->error;
	if (entry)
		return launcher_send_to_instance(entry->requests, request->plan, request->fds, request->fd_count);
	/* The plan goes to an idle worker: one of those that wait for the host's next plan becomes idle. */
	launcher_drop_channel();
	return launcher_send(request->plan, request->fds, request->fd_count);
}

int launched_instance_start(struct launched_instance *instance, struct launch_request *request,
			    viso_isolation isolation, const struct detached_entry *entry,
			    struct process_network *network)
{
	struct launched_instance fresh = LAUNCHED_INSTANCE_NONE;
	int plans[2] = {-1, -1}, channel[2] = {-1, -1};
	int r = request->error ? request->error : cgroup_add_to_plan(request);
	if (r == 0)
		r = make_sockets(plans);
	if (r == 0)
		r = make_sockets(channel);
	fresh.plans = plans[0];
	fresh.channel = channel[0];
	fresh.network = network;
	if (r == 0)
		r = add_own(&fresh, request);
	if (r == 0)
		r = send_plan(request, channel, plans, entry);
	close_fd(plans[1]);
	close_fd(channel[1]);
	if (r == 0)
		r = await_start(&fresh, isolation);
	if (r < 0) {
		disconnect(&fresh);
		launched_instance_release(&fresh);
	} else {
		*instance = fresh;
	}
	return r;
}

int launched_instance_plans(const struct launched_instance *place, viso_sandbox *sandbox)
{
	pthread_mutex_lock(&sandbox->lock);
	int plans = place->plans;
	pthread_mutex_unlock(&sandbox->lock);
	return plans;
}

int launched_instance_keep(struct launched_instance *place, viso_sandbox *sandbox, struct launched_instance *fresh)
{
	int r = 0;
	pthread_mutex_lock(&sandbox->lock);
	if (sandbox->closed)
		r = error_fail(VISO_STAGE_ARGUMENT, ESTALE, "sandbox",
			       "the sandbox was closed while its instance started");
	bool mine = r == 0 && place->plans < 0;
	if (mine)
		*place = *fresh;
	pthread_mutex_unlock(&sandbox->lock);
	if (!mine) {
		launched_instance_end(fresh);
		launched_instance_release(fresh);
	}
	return r;
}

void launched_instance_end(struct launched_instance *instance)
{
	struct order order = {.kind = ORDER_KILL};
	struct report report;
	int fd;
	if (instance->channel < 0)
		return;
	/* Not by closing: a fork of this process may have them, too. */
	shutdown(instance->plans, SHUT_RDWR);
	/* The end of the orders is one, too. */
	if (send(instance->channel, &order, sizeof(order), MSG_NOSIGNAL) < 0)
		shutdown(instance->channel, SHUT_WR);
	launcher_await_end(instance->channel);
	receive(instance->channel, &report, &fd);
	close_fd(fd);
	shutdown(instance->channel, SHUT_RDWR);
	disconnect(instance);
}

void launched_instance_release(struct launched_instance *instance)
{
	instance->plans = close_fd(instance->plans);
	instance->channel = close_fd(instance->channel);
	instance->root = close_fd(instance->root);
	free(instance->plan);
	instance->plan = NULL;
	if (instance->network)
		instance->network->ops->release(instance->network);
	instance->network = NULL;
}

static int ask(void *data, int pipe)
{
	return launched_ask(*(const int *)data, ORDER_PIDS, pipe);
}

static int ask_usage(void *data, int pipe)
{
	return launched_ask(*(const int *)data, ORDER_USAGE, pipe);
}

static int ask_pause(void *data, int pipe)
{
	return launched_ask(*(const int *)data, ORDER_PAUSE, pipe);
}

static int ask_resume(void *data, int pipe)
{
	return launched_ask(*(const int *)data, ORDER_RESUME, pipe);
}

int launched_instance_usage(const struct launched_instance *instance, int64_t figures[RESULT_USAGE_COUNT])
{
	int channel = instance->channel;
	return channel < 0 ? 0 : answer_usage(ask_usage, &channel, figures);
}

int launched_instance_pause(const struct launched_instance *instance, bool pause)
{
	int channel = instance->channel;
	return channel < 0 ? 0 : answer_pause(pause ? ask_pause : ask_resume, &channel);
}

int launched_instance_pids(const struct launched_instance *instance, struct pids *pids)
{
	int channel = instance->channel;
	return channel < 0 ? 0 : pids_collect(pids, ask, &channel);
}
