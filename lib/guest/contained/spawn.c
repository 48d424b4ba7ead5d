/* SPDX-License-Identifier: MIT */
/* The host's side: the container, the command in it, and what becomes of that. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "core/memfd.h"
#include "guest/contained/contained.h"
#include "guest/contained/container.h"
#include "guest/contained/message.h"
#include "guest/guest.h"
#include "guest/vm.h"
#include "launch/owns_ids.h"
#include "sandbox/host_program.h"
#include "sandbox/reply.h"

/* Of addresses, beside the memory: those of its threads. */
static const uint64_t addresses_beside = 512u << 20;

/* The guest ends itself in time; where it does not, the host does so much later. */
enum { GRACE_MS = 2000, NOBODY = 65534 };

struct contained {
	viso_guest *guest; /* borrowed: its end is that of its processes */
	viso_container *container;
	viso_process *server; /* that serves it */
	int socket;
	bool has_report;
};

static struct contained *contained_free(struct contained *contained)
{
	viso_process_unref(contained->server);
	viso_container_unref(contained->container);
	close_fd(contained->socket);
	free(contained);
	return NULL;
}

/* An open file of the command's, by another reference. */
static int copy_stdio(const viso_command *command, viso_command *server, int stream)
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
	const struct contained_settings settings = {
		.memory_max = guest_memory_max(guest),
		.limits = guest->limits,
	};
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

static int add_fds(const viso_guest *guest, const viso_command *command, viso_command *server, int socket)
{
	_cleanup_close_ int kvm = vm_open_kvm();
	if (kvm < 0)
		return kvm;
	if (command->added_count > CONTAINED_ADDED_MAX)
		return error_fail(VISO_STAGE_COMMAND, EMFILE, "viso_command_add_fd",
				  "a contained guest takes at most %d fds beside the command's streams",
				  CONTAINED_ADDED_MAX);
	int r = viso_command_add_fd(server, socket, CONTAINED_SOCKET);
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
static int make_command(const viso_guest *guest, const viso_command *command, int socket, viso_command **out_server)
{
	_cleanup_(cleanup_host_command) viso_command *server = viso_command_new(CONTAINED_PROGRAM);
	if (!server)
		return -viso_error_number();
	const unsigned id = contained_is_owner(guest) ? 0 : NOBODY;
	int r = owns_all_ids() ? viso_command_set_user(server, id, id) : 0;
	for (int stream = 0; stream < 3 && r == 0; stream++)
		r = copy_stdio(command, server, stream);
	if (r == 0)
		r = set_limits(guest, command, server);
	if (r == 0)
		r = add_fds(guest, command, server, socket);
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
					       &contained->server);
	} while (r < 0 && lower(&wishes, r));
	return r;
}

static ssize_t receive(const struct contained *contained, void *buffer, size_t size)
{
	ssize_t n;
	while ((n = recv(contained->socket, buffer, size, MSG_DONTWAIT | MSG_TRUNC)) < 0 && errno == EINTR)
		;
	return n < 0 ? 0 : n;
}

static int take_report(struct contained *contained)
{
	struct contained_report report;
	ssize_t n = receive(contained, &report, sizeof(report));
	contained->has_report = true;
	return contained_take_report(&report, (size_t)n);
}

static int await_start(viso_process *process)
{
	struct contained *contained = process->data;
	struct pollfd told = {.fd = contained->socket, .events = POLLIN};
	int r;
	while ((r = poll(&told, 1, REPLY_PATIENCE_MS)) < 0 && errno == EINTR)
		;
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "poll", NULL);
	return r == 0 ? reply_fail_silent() : take_report(contained);
}

static int signal_server(viso_process *process, int signal)
{
	const struct contained *contained = process->data;
	if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU || signal == SIGCONT)
		return error_fail(VISO_STAGE_PROCESS, EOPNOTSUPP, "signal",
				  "a guest cannot be stopped and continued by signals");
	uint32_t number = (uint32_t)signal;
	if (send(contained->socket, &number, sizeof(number), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN)
		return error_fail(VISO_STAGE_PROCESS, EAGAIN, "signal", "the guest takes no more signals now");
	return 0; /* or it has just ended */
}

static int kill_server(viso_process *process)
{
	const struct contained *contained = process->data;
	return viso_process_kill(contained->server);
}

static void insist(viso_process *process)
{
	const struct contained *contained = process->data;
	if (contained->server->ops->insist)
		contained->server->ops->insist(contained->server);
}

static void add_counts(viso_guest *guest, const struct contained_answer *answer)
{
	for (int i = 0; i < 2; i++)
		for (int number = 0; number < COUNTED_CALLS; number++)
			atomic_fetch_add_explicit(&guest->counts.of[i][number], answer->counts[i][number],
						  memory_order_relaxed);
}

/* The host's word counts where it has ended the process; what is no answer is a failure of the machine. */
static int make_result(struct contained *contained, viso_result *server, viso_result **out_result)
{
	struct contained_answer answer;
	int r = 1;
	if (server->reason == VISO_REASON_EXITED)
		r = contained_take_answer(&answer, (size_t)receive(contained, &answer, sizeof(answer)), out_result);
	if (r == 0)
		add_counts(contained->guest, &answer);
	if (r <= 0)
		return r;
	viso_result *result = result_new();
	if (!result)
		return error_memory();
	bool by_host = server->reason == VISO_REASON_KILLED || server->reason == VISO_REASON_TIMED_OUT ||
		       server->reason == VISO_REASON_CPU_TIME || server->reason == VISO_REASON_OUT_OF_MEMORY;
	result->reason = by_host ? server->reason : VISO_REASON_GUEST_FAULT;
	result->signal = by_host ? SIGKILL : 0;
	memcpy(result->usage, server->usage, sizeof(result->usage));
	result_describe(result, by_host ? NULL : server->description);
	*out_result = result;
	return 0;
}

static int collect(viso_process *process, viso_result **out_result)
{
	struct contained *contained = process->data;
	_cleanup_(cleanup_host_result) viso_result *server = NULL;
	int r = viso_process_wait(contained->server, 0, &server);
	if (r < 0)
		return r == -ETIMEDOUT || r == -EINTR ? 1 : r;
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
	contained_free(process->data);
}

static const struct process_ops ops = {
	.await_start = await_start,
	.signal = signal_server,
	.kill = kill_server,
	.insist = insist,
	.collect = collect,
	.release = release,
};

static int spawn(viso_guest *guest, const viso_command *command, int root_fd, struct contained *contained)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "socketpair", NULL);
	contained->socket = ends[0];
	_cleanup_close_ int theirs = ends[1];
	_cleanup_(cleanup_host_command) viso_command *server = NULL;
	int r = make_command(guest, command, theirs, &server);
	return r == 0 ? start_server(guest, root_fd, server, contained) : r;
}

int contained_spawn(viso_guest *guest, const viso_command *command, int root_fd, bool to_end, viso_process *process)
{
	struct contained *contained = calloc(1, sizeof(*contained));
	if (!contained)
		return error_memory();
	contained->guest = guest;
	contained->socket = -1;
	int r = spawn(guest, command, root_fd, contained);
	if (r == 0) {
		process->fd = fcntl(viso_process_fd(contained->server), F_DUPFD_CLOEXEC, 3);
		if (process->fd < 0)
			r = error_fail(VISO_STAGE_GUEST, errno, "dup", NULL);
	}
	if (r < 0) {
		contained_free(contained);
		return r;
	}
	for (int i = 0; i < 3; i++)
		process->stream[i] = TAKE_FD(contained->server->stream[i]);
	process->ops = &ops;
	process->data = contained;
	return 0;
}
