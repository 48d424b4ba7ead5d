/* SPDX-License-Identifier: MIT */
/* The host's side of a command: how its process starts, is served, and ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contained/contained.h"
#include "guest/contained/message.h"
#include "guest/contained/service.h"
#include "guest/contained/start.h"
#include "guest/guest.h"
#include "sandbox/host_program.h"
#include "sandbox/reply.h"

struct contained {
	struct service service;
	viso_container *container;
	bool is_served;       /* the guest has settings for which somebody must be there */
	atomic_bool is_begun; /* somebody is, or nobody will be */
	bool has_report;
	size_t report_size; /* 0 before it has come */
	struct contained_report report;
};

static struct contained *contained_free(struct contained *contained)
{
	viso_process_unref(contained->service.server);
	viso_container_unref(contained->container);
	close_fd(contained->service.socket);
	close_fd(contained->service.core.fd);
	free(contained);
	return NULL;
}

/* At most `size` bytes of what has come; its whole size, or 0. */
static size_t receive(const struct contained *contained, void *buffer, size_t size)
{
	ssize_t n;
	while ((n = recv(contained->service.socket, buffer, size, MSG_DONTWAIT | MSG_TRUNC)) < 0 && errno == EINTR)
		;
	return n < 0 ? 0 : (size_t)n;
}

static int take_report(struct contained *contained)
{
	struct contained_report *report = &contained->report;
	if (!contained->report_size)
		contained->report_size = receive(contained, report, sizeof(*report));
	contained->has_report = true;
	return contained_take_report(report, contained->report_size);
}

/* Nobody serves it: with the process it has ended. */
static int begin_unserved(viso_process *process)
{
	struct contained *contained = process->data;
	atomic_store(&contained->is_begun, true);
	return dup3(viso_process_fd(contained->service.server), process->fd, O_CLOEXEC) < 0
		       ? error_fail(VISO_STAGE_GUEST, errno, "dup3", NULL)
		       : 0;
}

static int begin_service(viso_process *process)
{
	struct contained *contained = process->data;
	bool is_begun = false;
	if (!contained->is_served || !atomic_compare_exchange_strong(&contained->is_begun, &is_begun, true))
		return 0;
	int r = service_start(&contained->service);
	if (r < 0)
		(void)begin_unserved(process);
	return r;
}

static int await_report(struct contained *contained)
{
	struct pollfd told = {.fd = contained->service.socket, .events = POLLIN};
	int r;
	while ((r = poll(&told, 1, REPLY_PATIENCE_MS)) < 0 && errno == EINTR)
		;
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "poll", NULL);
	return r == 0 ? reply_fail_silent() : take_report(contained);
}

static int await_start(viso_process *process)
{
	struct contained *contained = process->data;
	int r = await_report(contained);
	if (r == 0)
		return begin_service(process);
	/* The error is that of the start. */
	if (contained->is_served)
		(void)dup3(viso_process_fd(contained->service.server), process->fd, O_CLOEXEC);
	return r;
}

static void drive(viso_process *process)
{
	struct contained *contained = process->data;
	struct service *service = &contained->service;
	bool is_begun = false;
	if (!contained->is_served || !atomic_compare_exchange_strong(&contained->is_begun, &is_begun, true))
		return;
	service_run(service);
	contained->report_size = service->last_size;
	memcpy(&contained->report, service->message, sizeof(contained->report));
	service->last_size = 0;
	if (contained->report_size && contained_take_report(&contained->report, contained->report_size) == 0) {
		contained->has_report = true;
		service_run(service);
	}
	service_end(service);
}

static int signal_server(viso_process *process, int signal)
{
	const struct contained *contained = process->data;
	if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU || signal == SIGCONT)
		return error_fail(VISO_STAGE_PROCESS, EOPNOTSUPP, "signal",
				  "a guest cannot be stopped and continued by signals");
	return link_signal(contained->service.link, signal);
}

static int kill_server(viso_process *process)
{
	struct contained *contained = process->data;
	bool is_begun = false;
	int r = viso_process_kill(contained->service.server);
	if (r == 0 && contained->is_served && atomic_compare_exchange_strong(&contained->is_begun, &is_begun, true))
		r = begin_unserved(process);
	return r;
}

static void insist(viso_process *process)
{
	const viso_process *server = ((const struct contained *)process->data)->service.server;
	if (server->ops->insist)
		server->ops->insist((viso_process *)server);
}

static int take_answer(struct contained *contained, viso_result **out_result)
{
	struct service *service = &contained->service;
	struct contained_answer answer;
	size_t size = service->last_size;
	if (size)
		memcpy(&answer, service->message, sizeof(answer));
	else
		size = receive(contained, &answer, sizeof(answer));
	int r = contained_take_answer(&answer, size, out_result);
	if (r == 0)
		service_add_counts(service->guest, answer.counts);
	return r;
}

/* The host's word counts where it has ended the process; what is no answer is a failure of the machine. */
static int make_result(struct contained *contained, viso_result *server, viso_result **out_result)
{
	bool may_answer = server->reason == VISO_REASON_EXITED && !contained->service.is_liar;
	int r = may_answer ? take_answer(contained, out_result) : 1;
	if (r <= 0)
		return r;
	return service_result_of_end(&contained->service, server, out_result);
}

static int collect(viso_process *process, viso_result **out_result)
{
	struct contained *contained = process->data;
	_cleanup_(cleanup_host_result) viso_result *server = NULL;
	int r = viso_process_wait(contained->service.server, 0, &server);
	if (r < 0)
		return r == -ETIMEDOUT || r == -EINTR ? 1 : r;
	service_close(&contained->service);
	/* Killed before it could tell, it was started all the same. */
	if (!contained->has_report && server->reason == VISO_REASON_EXITED)
		r = take_report(contained);
	if (r == 0)
		r = make_result(contained, server, out_result);
	if (r < 0)
		return r;
	for (int i = 0; i < 2; i++) {
		(*out_result)->output[i] = server->output[i];
		server->output[i] = (struct captured_output){0};
	}
	return 0;
}

static void release(viso_process *process)
{
	struct contained *contained = process->data;
	viso_guest *guest = contained->service.owns_guest ? contained->service.guest : NULL;
	if (handle_is_mine(&process->handle))
		service_close(&contained->service);
	else if (contained->service.link)
		link_forget(contained->service.link);
	contained_free(contained);
	viso_guest_unref(guest);
}

static const struct process_ops ops = {
	.await_start = await_start,
	.drive = drive,
	.signal = signal_server,
	.kill = kill_server,
	.insist = insist,
	.collect = collect,
	.release = release,
};

/* The fd of the guest's process: an eventfd where somebody must be done with serving it first. */
static int make_fd(struct contained *contained, viso_process *process)
{
	int server = viso_process_fd(contained->service.server);
	link_start(contained->service.link, server);
	process->fd = contained->is_served ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : fcntl(server, F_DUPFD_CLOEXEC, 3);
	contained->service.end_fd = process->fd;
	return process->fd < 0 ? error_fail(VISO_STAGE_GUEST, errno, "eventfd", NULL) : 0;
}

int contained_spawn(viso_guest *guest, const viso_command *command, int root_fd, bool to_end, viso_process *process)
{
	struct contained *contained = calloc(1, sizeof(*contained));
	if (!contained)
		return error_memory();
	contained->service.guest = guest;
	contained->service.socket = -1;
	contained->service.core.fd = contained->service.receiving.fd = -1;
	contained->is_served = service_is_needed(guest);
	struct contained_plan plan = {.owner = guest, .command = command, .snapshot_fd = -1, .root_fd = root_fd};
	int r = contained_make_settings(guest, command, false, &plan.settings_fd);
	if (r == 0) {
		r = contained_start(&contained->service, &plan, &contained->container);
		close_fd(plan.settings_fd);
	}
	if (r == 0)
		r = make_fd(contained, process);
	if (r < 0) {
		if (contained->service.link)
			link_close(contained->service.link);
		contained_free(contained);
		return r;
	}
	for (int i = 0; i < 3; i++)
		process->stream[i] = TAKE_FD(contained->service.server->stream[i]);
	process->ops = &ops;
	process->data = contained;
	return 0;
}
