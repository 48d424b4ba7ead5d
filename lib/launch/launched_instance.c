/* SPDX-License-Identifier: MIT */
#include "launch/launched_instance.h"

#include <errno.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "launch/explain.h"
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

/* False where the holder has ended without one. */
static bool receive(int channel, struct report *report)
{
	ssize_t n;
	while ((n = recv(channel, report, sizeof(*report), 0)) < 0 && errno == EINTR)
		;
	return n == sizeof(*report);
}

static int await_start(int channel, viso_isolation isolation)
{
	struct report report;
	if (!receive(channel, &report))
		return error_fail(VISO_STAGE_LAUNCHER, EPIPE, "launcher",
				  "the launcher was killed from outside while the instance started");
	return report.kind == REPORT_FAILED ? explain_failure(isolation, &report.failure) : 0;
}

int launched_instance_start(struct launched_instance *instance, struct launch_request *request,
			    viso_isolation isolation)
{
	int plans[2] = {-1, -1}, channel[2] = {-1, -1};
	int r = request->error ? request->error : cgroup_add_to_plan(request);
	if (r == 0)
		r = make_sockets(plans);
	if (r == 0)
		r = make_sockets(channel);
	if (r == 0) {
		/* The plan goes to an idle worker: one of those that wait for the host's next plan becomes idle. */
		launcher_drop_channel();
		request->fds[0] = channel[1];
		request->fds[request->fd_count++] = plans[1];
		request->plan->head.fd_count = (uint32_t)request->fd_count;
		r = launcher_send(request->plan, request->fds, request->fd_count);
	}
	close_fd(plans[1]);
	close_fd(channel[1]);
	if (r == 0)
		r = await_start(channel[0], isolation);
	if (r < 0) {
		close_fd(plans[0]);
		close_fd(channel[0]);
		return r;
	}
	*instance = (struct launched_instance){.plans = plans[0], .channel = channel[0]};
	return 0;
}

void launched_instance_end(struct launched_instance *instance)
{
	struct order order = {.kind = ORDER_KILL};
	struct report report;
	if (instance->channel < 0)
		return;
	/* Not by closing: a fork of this process may have them, too. */
	shutdown(instance->plans, SHUT_RDWR);
	send(instance->channel, &order, sizeof(order), MSG_NOSIGNAL);
	receive(instance->channel, &report);
	shutdown(instance->channel, SHUT_RDWR);
}

void launched_instance_release(struct launched_instance *instance)
{
	instance->plans = close_fd(instance->plans);
	instance->channel = close_fd(instance->channel);
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
