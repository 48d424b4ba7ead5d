/* SPDX-License-Identifier: MIT */
/* The host's side: the container, the command in it, and what becomes of that. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "core/memfd.h"
#include "guest/contained/contained.h"
#include "guest/contained/container.h"
#include "guest/contained/message.h"
#include "guest/contained/service.h"
#include "guest/guest.h"
#include "guest/vm/vm.h"
#include "launch/owns_ids.h"
#include "sandbox/host_program.h"
#include "sandbox/reply.h"

/* Of addresses, beside the memory: those of its threads. */
static const uint64_t addresses_beside = 512u << 20;

/* The guest ends itself in time; where it does not, the host does so much later. */
enum { GRACE_MS = 2000, NOBODY = 65534 };

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

/* An open file of the command's, by another reference. */
int contained_copy_stdio(const viso_command *command, viso_command *server, int stream)
{
	const struct stdio_setting *from = &command->stdio[stream];
	struct stdio_setting *to = &server->stdio[stream];
	close_fd(to->fd);
	*to = *from;
	to->fd = from->fd < 0 ? -1 : fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
	return from->fd >= 0 && to->fd < 0 ? error_fail(VISO_STAGE_STDIO, errno, "dup", NULL) : 0;
}

static int set_limits(const viso_guest *guest, const viso_command *command, viso_command *server)
{
	int r = viso_command_set_rlimit(server, VISO_RLIMIT_ADDRESS_SPACE,
					contained_add(contained_memory(guest), addresses_beside));
	if (r == 0 && command->timeout_ms)
		r = viso_command_set_timeout_ms(server, contained_add(command->timeout_ms, GRACE_MS));
	if (r == 0 && command->cpu_time_ms)
		r = viso_command_set_cpu_time_ms(server, contained_add(command->cpu_time_ms, GRACE_MS));
	return r;
}

/* The settings, in a file that nobody can change. */
static int add_settings(const viso_guest *guest, const viso_command *command, viso_command *server)
{
	struct contained_settings settings = {
		.memory_max = guest_memory_max(guest),
		.limits = guest->limits,
	};
	service_describe(guest, &settings);
	_cleanup_free_ void *data = NULL;
	size_t size;
	int r = contained_pack(&settings, &guest->files, command, &data, &size);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = memfd_with("viso-guest", 0, data, size);
	if (fd >= 0)
		r = memfd_seal(fd);
	if (fd < 0 || r < 0)
		return error_fail(VISO_STAGE_GUEST, fd < 0 ? -fd : -r, "memfd_create", NULL);
	return viso_command_add_fd(server, fd, CONTAINED_SETTINGS);
}

static int add_fds(const viso_guest *guest, const viso_command *command, viso_command *server, const int sockets[2])
{
	_cleanup_close_ int kvm = vm_open_kvm();
	if (kvm < 0)
		return kvm;
	if (command->added_count > CONTAINED_ADDED_MAX)
		return error_fail(VISO_STAGE_COMMAND, EMFILE, "viso_command_add_fd",
				  "a contained guest takes at most %d fds beside the command's streams",
				  CONTAINED_ADDED_MAX);
	int r = viso_command_add_fd(server, sockets[0], CONTAINED_SOCKET);
	if (r == 0)
		r = viso_command_add_fd(server, sockets[1], CONTAINED_CONTROL);
	if (r == 0)
		r = viso_command_add_fd(server, kvm, CONTAINED_KVM);
	if (r == 0)
		r = add_settings(guest, command, server);
	for (size_t i = 0; i < command->added_count && r == 0; i++)
		r = viso_command_add_fd(server, command->added[i].fd, CONTAINED_ADDED + (int)i);
	return r;
}

/*
 * With root of the host, as nobody, who may read what everybody may: so it is for a guest in the host program
 * (spot_permission()). What the guest may reach with the rights of the host program's user takes the container's root,
 * as which that one is shown in it. For others it is the caller itself in any case.
 */
static int make_command(const viso_guest *guest, const viso_command *command, const int sockets[2],
			viso_command **out_server)
{
	_cleanup_(cleanup_host_command) viso_command *server = viso_command_new(CONTAINED_PROGRAM);
	if (!server)
		return -viso_error_number();
	const unsigned id = contained_is_owner(guest) ? 0 : NOBODY;
	int r = owns_all_ids() ? viso_command_set_user(server, id, id) : 0;
	for (int stream = 0; stream < 3 && r == 0; stream++)
		r = contained_copy_stdio(command, server, stream);
	if (r == 0)
		r = set_limits(guest, command, server);
	if (r == 0)
		r = add_fds(guest, command, server, sockets);
	if (r == 0)
		*out_server = TAKE_PTR(server);
	return r;
}

/* True where the start may succeed without what has failed. */
static bool lower(struct contained_wishes *wishes, int r)
{
	bool *failed = viso_error_stage() == VISO_STAGE_CGROUP ? &wishes->limited : &wishes->mapped;
	if ((r != -EOPNOTSUPP && r != -EPERM) || !*failed)
		return false;
	log_debug("a contained guest does without: %s", viso_error_message());
	*failed = false;
	return true;
}

static int start_server(viso_guest *guest, int root_fd, const viso_command *server, struct contained *contained)
{
	struct contained_wishes wishes = {.limited = true, .mapped = owns_all_ids()};
	int r;
	do {
		contained->container = viso_container_unref(contained->container);
		r = contained_make_container(guest, root_fd, wishes, &contained->container);
		if (r == 0)
			r = viso_sandbox_spawn(viso_container_sandbox(contained->container), server,
					       &contained->service.server);
	} while (r < 0 && lower(&wishes, r));
	return r;
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

static void add_counts(viso_guest *guest, const struct contained_answer *answer)
{
	for (int i = 0; i < 2; i++)
		for (int number = 0; number < COUNTED_CALLS; number++)
			atomic_fetch_add_explicit(&guest->counts.of[i][number], answer->counts[i][number],
						  memory_order_relaxed);
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
		add_counts(service->guest, &answer);
	return r;
}

/* The host's word counts where it has ended the process; what is no answer is a failure of the machine. */
static int make_result(struct contained *contained, viso_result *server, viso_result **out_result)
{
	bool is_liar = contained->service.is_liar;
	int r = server->reason == VISO_REASON_EXITED && !is_liar ? take_answer(contained, out_result) : 1;
	if (r <= 0)
		return r;
	viso_result *result = result_new();
	if (!result)
		return error_memory();
	bool by_host = server->reason == VISO_REASON_KILLED || server->reason == VISO_REASON_TIMED_OUT ||
		       server->reason == VISO_REASON_CPU_TIME || server->reason == VISO_REASON_OUT_OF_MEMORY;
	by_host = by_host && !is_liar;
	result->reason = by_host ? server->reason : VISO_REASON_GUEST_FAULT;
	result->signal = by_host ? SIGKILL : 0;
	memcpy(result->usage, server->usage, sizeof(result->usage));
	if (!by_host)
		result_describe(result,
				is_liar ? "what serves it asked for something impossible" : server->description);
	else
		result_describe(result, NULL);
	*out_result = result;
	return 0;
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

/* The socket of what the process says and that of what the host does; the process's ends go to `out_theirs`. */
static int make_sockets(struct service *service, int out_theirs[2])
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "socketpair", NULL);
	service->socket = ends[0];
	out_theirs[0] = ends[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "socketpair", NULL);
	out_theirs[1] = ends[1];
	service->link = link_new(ends[0]);
	return service->link ? 0 : -ENOMEM;
}

static int spawn(viso_guest *guest, const viso_command *command, int root_fd, struct contained *contained)
{
	int theirs[2] = {-1, -1};
	_cleanup_(cleanup_host_command) viso_command *server = NULL;
	int r = make_sockets(&contained->service, theirs);
	if (r == 0)
		r = make_command(guest, command, theirs, &server);
	if (r == 0)
		r = start_server(guest, root_fd, server, contained);
	close_fd(theirs[0]);
	close_fd(theirs[1]);
	return r;
}

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
	contained->service.core.fd = -1;
	contained->is_served = service_is_needed(guest);
	int r = spawn(guest, command, root_fd, contained);
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
