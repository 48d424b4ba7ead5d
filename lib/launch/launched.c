/* SPDX-License-Identifier: MIT */
#include "launch/launched.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "launch/explain/explain.h"
#include "launch/launcher.h"
#include "launch/plan/plan.h"
#include "launch/pool.h"
#include "sandbox/reply.h"
#include "sandbox/result.h"

/* In the backend's data, beside the isolation: the channel outlives the process. */
enum { KEEP_CHANNEL = 0x100 };

static bool is_in_instance(const viso_process *process);

/* The same words as where the order could not even be sent: how far a death has come is nobody's to know. */
static int fail_by_death(const viso_process *process)
{
	if (is_in_instance(process))
		return error_fail(VISO_STAGE_LAUNCHER, EPIPE, "instance",
				  "the sandbox's instance was killed from outside; the command was ended with it");
	return error_fail(VISO_STAGE_LAUNCHER, EPIPE, "launcher",
			  "the launcher was killed from outside; the command was ended with it");
}

/* The next report, with the fds that it brings. 0 or a negative errno with the error set. */
static int receive(viso_process *process, struct report *report, int fds[2])
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = report, .iov_len = sizeof(*report)};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;
	/* ECONNRESET: the worker has closed its end without reading our last order. Its report stands behind the error.
	 */
	while ((n = recvmsg(process->fd, &message, MSG_CMSG_CLOEXEC)) < 0 && (errno == EINTR || errno == ECONNRESET))
		;
	fds[0] = fds[1] = -1;
	if (n != sizeof(*report))
		return fail_by_death(process);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	return 0;
}

static int fail_as_reported(const viso_process *process, const struct report *report)
{
	struct report_failure failure = report->failure;
	/* -EINTR means that the host's own waiting was interrupted, and that is waited for again: for ever, here. */
	if (failure.error == EINTR)
		failure.error = EAGAIN;
	return explain_failure((viso_isolation)((intptr_t)process->data & ~KEEP_CHANNEL), &failure);
}

static int send_order(viso_process *process, enum order_kind kind, int signal)
{
	struct order order = {.kind = kind, .signal = signal};
	/* A full socket means that many orders are unread: more of them add nothing. A closed one, that the command has
	 * ended. */
	if (send(process->fd, &order, sizeof(order), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE &&
	    errno != ECONNRESET && errno != EAGAIN)
		return error_fail(VISO_STAGE_PROCESS, errno, "send", NULL);
	return 0;
}

static int launched_signal(viso_process *process, int signal)
{
	return send_order(process, ORDER_SIGNAL, signal);
}

static int launched_kill(viso_process *process)
{
	int r = send_order(process, ORDER_KILL, 0);
	/* The end of the orders is one, too. */
	return r < 0 && shutdown(process->fd, SHUT_WR) == 0 ? 0 : r;
}

static void launched_insist(viso_process *process)
{
	(void)process;
	launcher_kill_stopped();
}

int launched_ask(int channel, enum order_kind kind, int pipe)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct order order = {.kind = kind};
	struct iovec iov = {.iov_base = &order, .iov_len = sizeof(order)};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &pipe, sizeof(pipe));
	/* A closed one means that nothing runs any more: then the pipe stays empty. */
	if (sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || errno == EPIPE || errno == ECONNRESET ||
	    errno == ENOTCONN)
		return 0;
	if (errno == EAGAIN)
		return reply_fail_silent();
	/* Of an ordinary user's fds only so many may be under way (unix(7)). */
	return error_fail(VISO_STAGE_PROCESS, errno == ETOOMANYREFS ? EMFILE : errno, "sendmsg", NULL);
}

static int launched_pids(viso_process *process, int pipe)
{
	return launched_ask(process->fd, ORDER_PIDS, pipe);
}

static int launched_usage(viso_process *process, int pipe)
{
	return launched_ask(process->fd, ORDER_USAGE, pipe);
}

static int launched_pause(viso_process *process, bool pause, int pipe)
{
	return launched_ask(process->fd, pause ? ORDER_PAUSE : ORDER_RESUME, pipe);
}

static int read_output(struct captured_output *output, int fd, uint64_t size)
{
	if (fd < 0)
		return error_fail(VISO_STAGE_STDIO, EMFILE, "output",
				  "too many open files to receive the captured output");
	output->data = malloc(size + 1);
	if (!output->data)
		return error_memory();
	while (output->size < size) {
		ssize_t n = pread(fd, output->data + output->size, size - output->size, (off_t)output->size);
		if (n < 0 && errno != EINTR)
			return error_fail(VISO_STAGE_STDIO, errno, "output", "the captured output cannot be read: %s",
					  strerrordesc_np(errno));
		if (n == 0)
			break;
		output->size += n < 0 ? 0 : (size_t)n;
	}
	output->data[output->size] = '\0';
	return 0;
}

static viso_reason reason_of(const struct report_end *end)
{
	switch (end->reason) {
	case END_TIMED_OUT:
		return VISO_REASON_TIMED_OUT;
	case END_CPU_TIME:
		return VISO_REASON_CPU_TIME;
	case END_OUT_OF_MEMORY:
		return VISO_REASON_OUT_OF_MEMORY;
	case END_KILLED:
		return VISO_REASON_KILLED;
	default:
		if (WIFEXITED(end->status))
			return VISO_REASON_EXITED;
		return WTERMSIG(end->status) == SIGSYS ? VISO_REASON_SECCOMP : VISO_REASON_SIGNALLED;
	}
}

static void fill_usage(viso_result *result, const struct report_end *end)
{
	const struct report_usage *used = &end->usage;
	int64_t *usage = result->usage;
	static const viso_usage over[] = {VISO_USAGE_MEMORY, VISO_USAGE_SWAP, VISO_USAGE_PROCESSES};
	memcpy(usage, end->figures, sizeof(end->figures));
	for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++)
		usage[over[i]] = 0;
	usage[VISO_USAGE_WALL_US] = (int64_t)end->wall_us;
	usage[VISO_USAGE_USER_US] = (int64_t)used->user_us;
	usage[VISO_USAGE_SYSTEM_US] = (int64_t)used->system_us;
	if (usage[VISO_USAGE_MEMORY_PEAK] <= 0)
		usage[VISO_USAGE_MEMORY_PEAK] = (int64_t)used->max_rss_kib * 1024;
	usage[VISO_USAGE_MINOR_FAULTS] = (int64_t)used->minor_faults;
	usage[VISO_USAGE_MAJOR_FAULTS] = (int64_t)used->major_faults;
	usage[VISO_USAGE_BLOCKS_IN] = (int64_t)used->blocks_in;
	usage[VISO_USAGE_BLOCKS_OUT] = (int64_t)used->blocks_out;
	usage[VISO_USAGE_VOLUNTARY_SWITCHES] = (int64_t)used->voluntary_switches;
	usage[VISO_USAGE_INVOLUNTARY_SWITCHES] = (int64_t)used->involuntary_switches;
}

static int make_result(const struct report *report, const int fds[2], viso_result **out_result)
{
	const struct report_end *end = &report->end;
	viso_result *result = result_new();
	if (!result)
		return error_memory();
	result->reason = reason_of(end);
	if (WIFEXITED(end->status))
		result->exit_code = WEXITSTATUS(end->status);
	else
		result->signal = WTERMSIG(end->status);
	fill_usage(result, end);
	for (int i = 0, next = 0; i < 2; i++) {
		result->output[i].truncated = end->output_truncated[i];
		if (!end->output_fd[i])
			continue;
		int r = read_output(&result->output[i], fds[next++], end->output_size[i]);
		if (r < 0) {
			viso_result_unref(result);
			return r;
		}
	}
	result_describe(result, NULL);
	*out_result = result;
	return 0;
}

/* One of the program's fds that the host is to have. */
static void keep_fd(viso_process *process, const struct report *report, int fd)
{
	int *const places[REPORT_FD_KINDS] = {
		[REPORT_FD_TERMINAL] = &process->terminal,
		[REPORT_FD_NOTIFICATION] = &process->notifications,
		[REPORT_FD_ROOT] = &process->root,
	};
	if (report->fd_kind >= REPORT_FD_KINDS) {
		close_fd(fd);
		return;
	}
	close_fd(*places[report->fd_kind]);
	*places[report->fd_kind] = fd;
}

static void take_steps(viso_process *process, const struct report *report)
{
	for (int i = VISO_STEP_RECEIVED; i < STEPS; i++)
		if (report->step_ns[i])
			process->step_ns[i] = report->step_ns[i];
}

_Static_assert((int)PLAN_STEPS == (int)STEPS, "the plan has a place for each step");
_Static_assert((int)PLAN_FIGURES == (int)RESULT_USAGE_COUNT, "the plan has a place for each figure");

/* The error of this thread, kept over calls that may set another one. */
struct kept_error {
	viso_stage stage;
	int number;
	char object[REPORT_OBJECT_MAX];
	char message[1024];
};

static void keep_error(struct kept_error *error)
{
	error->stage = viso_error_stage();
	error->number = viso_error_number();
	snprintf(error->object, sizeof(error->object), "%s", viso_error_object());
	snprintf(error->message, sizeof(error->message), "%s", viso_error_message());
}

/* Ends a command whose start cannot go on; returns when nothing is left of it. */
static void end_start(int channel)
{
	struct order order = {.kind = ORDER_KILL};
	struct report report;
	ssize_t n;
	send(channel, &order, sizeof(order), MSG_NOSIGNAL);
	launcher_await_end(channel);
	/* Fds that come along are not received, and closed by the kernel. */
	while ((n = recv(channel, &report, sizeof(report), 0)) < 0
		       ? errno == EINTR || errno == ECONNRESET
		       : n == sizeof(report) && report.kind != REPORT_FAILED && report.kind != REPORT_ENDED)
		;
	shutdown(channel, SHUT_RDWR);
}

int launched_connect(int channel, struct process_network *network, int socket)
{
	struct order order = {.kind = ORDER_CONTINUE};
	int r;
	if (network) {
		r = network->ops->connect(network, socket);
	} else {
		close_fd(socket);
		r = error_fail(VISO_STAGE_LAUNCHER, EPROTO, "network", NULL);
	}
	if (r == 0) {
		/* Where it has ended meanwhile, its report says so. */
		while (send(channel, &order, sizeof(order), MSG_NOSIGNAL) < 0 && errno == EINTR)
			;
		return 0;
	}
	struct kept_error error;
	keep_error(&error);
	end_start(channel);
	return error_fail(error.stage, error.number, error.object, "%s", error.message);
}

static int connect_network(viso_process *process, int socket)
{
	int r = launched_connect(process->fd, process->network, socket);
	if (r < 0)
		process->data = (void *)((intptr_t)process->data & ~KEEP_CHANNEL);
	return r < 0 ? r : 1;
}

/* Takes one report, with the process's lock held: a fd or the start, which are not the end yet (1), the failed start,
 * or the end. */
static int take_report(viso_process *process, viso_result **out_result)
{
	struct report report;
	int fds[2];
	int r = receive(process, &report, fds);
	if (r < 0) {
		pool_give_back(process);
		return r;
	}
	if (report.kind == REPORT_FD && fds[0] < 0)
		return error_fail(VISO_STAGE_PROCESS, EMFILE, "launcher",
				  "too many open files to take what comes of the start");
	if (report.kind == REPORT_FD && report.fd_kind == REPORT_FD_NETWORK)
		return connect_network(process, fds[0]);
	if (report.kind == REPORT_FD) {
		keep_fd(process, &report, fds[0]);
		return 1;
	}
	take_steps(process, &report);
	if (report.kind != REPORT_FAILED)
		explain_log_hook(&report.failure);
	if (report.kind == REPORT_STARTED) {
		process->pid = report.pid;
		return 1;
	}
	if (report.kind == REPORT_FAILED)
		r = fail_as_reported(process, &report);
	else
		r = make_result(&report, fds, out_result);
	close_fd(fds[0]);
	close_fd(fds[1]);
	pool_give_back(process);
	/*
	 * Readable from now on, before the worker closes its end. In viso_sandbox_run(), which knows no pid, nobody
	 * polls but a thread that closes the sandbox meanwhile.
	 */
	if (process->pid || process->waiters > 0) {
		/* Both ways, or a fork that has the channel, too, would keep a worker that waits there. */
		shutdown(process->fd, SHUT_RDWR);
		process->data = (void *)((intptr_t)process->data & ~KEEP_CHANNEL);
	}
	return r;
}

static int collect(viso_process *process, viso_result **out_result)
{
	int r = take_report(process, out_result);
	if (r <= 0 && process->network)
		process->network->ops->disconnect(process->network);
	return r;
}

/* With the lock held: the start, or what came of it. 0, a negative errno, or 1 where it is still to come. */
static int take_start(viso_process *process)
{
	if (process->collect_error)
		return error_fail(VISO_STAGE_LAUNCHER, -process->collect_error, "launcher",
				  "the sandbox was closed while the command started");
	if (process->pid || process->result)
		return 0;
	int r = collect(process, &process->result);
	if (r < 0)
		process->collect_error = r;
	return process->pid ? 0 : r;
}

/* Whoever closes the sandbox meanwhile may see the start, or all of the command, before this thread does. */
static int await_start(viso_process *process)
{
	struct pollfd poll_fd = {.fd = process->fd, .events = POLLIN};
	int r = 1;
	while (r > 0) {
		while (poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
			;
		pthread_mutex_lock(&process->lock);
		r = take_start(process);
		pthread_mutex_unlock(&process->lock);
	}
	return r;
}

static void release(viso_process *process)
{
	pool_give_back(process);
	if (process->result && ((intptr_t)process->data & KEEP_CHANNEL) && handle_is_mine(&process->handle))
		launcher_keep_channel(TAKE_FD(process->fd));
}

static const struct process_ops launched_ops = {
	.await_start = await_start,
	.signal = launched_signal,
	.kill = launched_kill,
	.insist = launched_insist,
	.pids = launched_pids,
	.usage = launched_usage,
	.pause = launched_pause,
	.collect = collect,
	.release = release,
};

static const struct process_ops in_instance_ops = {
	.await_start = await_start,
	.signal = launched_signal,
	.kill = launched_kill,
	.insist = launched_insist,
	.usage = launched_usage,
	.collect = collect,
	.release = release,
};

void launched_in_instance(viso_process *process)
{
	process->ops = &in_instance_ops;
}

static bool is_in_instance(const viso_process *process)
{
	return process->ops == &in_instance_ops;
}

void launched_init(viso_process *process, int channel, viso_isolation isolation, bool keep)
{
	process->ops = &launched_ops;
	process->fd = channel;
	process->data = (void *)(intptr_t)((int)isolation | (keep ? KEEP_CHANNEL : 0));
}
