/* SPDX-License-Identifier: MIT */
#include "guest/contained/computer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <virtiso/container_limits.h>

#include "command/command.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "core/memfd.h"
#include "guest/contained/bell.h"
#include "guest/contained/computer_fds.h"
#include "guest/contained/contained.h"
#include "guest/contained/container.h"
#include "guest/contained/message.h"
#include "guest/device/doorbell.h"
#include "guest/guest.h"
#include "guest/kernel/kernel.h"
#include "guest/vm/kick.h"
#include "launch/owns_ids.h"
#include "sandbox/host_program.h"
#include "sandbox/reply.h"

/* START_MS: until its memory is filled with a kernel and a root. The computer ends itself in time; where it does not,
 * the host does so later. */
enum { START_MS = 60000, GRACE_MS = 2000, NOBODY = 65534, NS_PER_MS = 1000000 };

/* Of addresses, beside the memory: those of its threads. */
static const uint64_t addresses_beside = 512u << 20;

struct contained_computer {
	atomic_uint references;
	viso_container *container;
	viso_process *server;
	struct bell *bell;
	int socket;           /* on which it reports */
	pthread_mutex_t lock; /* guards what follows: one asks at a time */
	int control;
	uint64_t serial;
};

struct contained_computer *contained_computer_ref(struct contained_computer *computer)
{
	atomic_fetch_add(&computer->references, 1);
	return computer;
}

bool contained_computer_runs(const struct contained_computer *computer)
{
	struct pollfd end = {.fd = computer ? viso_process_fd(computer->server) : -1, .events = POLLIN};
	int r = 0;
	while (computer && (r = poll(&end, 1, 0)) < 0 && errno == EINTR)
		;
	return computer && r == 0;
}

int contained_computer_end(const struct contained_computer *computer)
{
	return viso_process_fd(computer->server);
}

void contained_computer_close(struct contained_computer *computer)
{
	if (!computer)
		return;
	if (computer->server && contained_computer_runs(computer))
		(void)viso_process_kill(computer->server);
	if (computer->bell)
		bell_end(computer->bell);
}

void contained_computer_unref(struct contained_computer *computer)
{
	if (!computer || atomic_fetch_sub(&computer->references, 1) != 1)
		return;
	if (!computer->server || handle_is_mine(&computer->server->handle)) {
		contained_computer_close(computer);
		bell_unref(computer->bell);
	} else if (computer->bell) {
		bell_forget(computer->bell);
	}
	viso_process_unref(computer->server);
	viso_container_unref(computer->container);
	close_fd(computer->socket);
	close_fd(computer->control);
	pthread_mutex_destroy(&computer->lock);
	free(computer);
}

struct doorbell *contained_computer_doorbell(const struct contained_computer *computer)
{
	return bell_doorbell(computer->bell);
}

static int refuse(const char *setting)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, setting,
			  "%s: a computer in a container cannot have it; leave VISO_PLACEMENT_CONTAINED out, or the "
			  "setting",
			  setting);
}

int contained_check_computer(const viso_guest *guest)
{
	const struct kernel_guest *kernel = guest->kernel;
	if (kernel->platform != VISO_PLATFORM_MICROVM)
		return refuse("VISO_PLATFORM_PC");
	if (kernel->devices.vsock_cid)
		return refuse("viso_guest_set_vsock");
	if (kernel->tools.medium == VISO_ROOT_MEDIUM_SHARE)
		return refuse("VISO_ROOT_MEDIUM_SHARE");
	return kernel->devices.share_count ? refuse("viso_guest_share_directory") : 0;
}

/* The next message of one of its sockets, within that time: its whole size; 0 where it has ended or is silent. */
static size_t receive(const struct contained_computer *computer, int socket, void *data, size_t size, int timeout_ms)
{
	struct pollfd fds[2] = {{.fd = socket, .events = POLLIN},
				{.fd = viso_process_fd(computer->server), .events = POLLIN}};
	int ready;
	while ((ready = poll(fds, 2, timeout_ms)) < 0 && errno == EINTR)
		;
	ssize_t n = ready < 0 ? -1 : recv(socket, data, size, MSG_DONTWAIT | MSG_TRUNC);
	return n < 0 ? 0 : (size_t)n;
}

static void await_end(const struct contained_computer *computer, int timeout_ms)
{
	struct pollfd end = {.fd = viso_process_fd(computer->server), .events = POLLIN};
	(void)!poll(&end, 1, timeout_ms);
}

static int left_of(int64_t end)
{
	int64_t left = end - clock_now(CLOCK_MONOTONIC) / NS_PER_MS;
	return left > 0 ? (int)left : 0;
}

/* An answer to an older question, which nobody waited for, is not ours; nor do many of them make us wait longer. */
static int64_t await_response(struct contained_computer *computer, const char *function,
			      struct computer_response *response)
{
	const int64_t end = clock_now(CLOCK_MONOTONIC) / NS_PER_MS + REPLY_PATIENCE_MS;
	while (contained_computer_runs(computer)) {
		size_t size = receive(computer, computer->control, response, sizeof(*response), left_of(end));
		if (size == sizeof(*response) && response->serial == computer->serial)
			return 0;
		/* It has closed its end, and ends itself next; or it is silent. */
		if (size == 0)
			await_end(computer, left_of(end));
		if (left_of(end) == 0 && contained_computer_runs(computer))
			return reply_fail_silent();
	}
	return error_fail(VISO_STAGE_GUEST, ESRCH, function, "%s: the computer is switched off", function);
}

int64_t contained_ask(struct contained_computer *computer, const char *function, enum computer_call call,
		      const uint64_t args[3])
{
	struct computer_response response;
	struct computer_request request = {.call = call};
	if (args)
		memcpy(request.args, args, sizeof(request.args));
	pthread_mutex_lock(&computer->lock);
	request.serial = ++computer->serial;
	/* Its end is seen where the answer is awaited. */
	(void)!send(computer->control, &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT);
	int64_t r = await_response(computer, function, &response);
	pthread_mutex_unlock(&computer->lock);
	return r < 0 ? r : contained_take_value(&response, call, function);
}

static int signal_computer(viso_process *process, int signal)
{
	return error_fail(VISO_STAGE_PROCESS, EOPNOTSUPP, "signal",
			  "a computer takes no signals; pause it by viso_sandbox_pause(), or kill it");
}

static int kill_computer(viso_process *process)
{
	return viso_process_kill(((struct contained_computer *)process->data)->server);
}

static void insist(viso_process *process)
{
	viso_process *server = ((struct contained_computer *)process->data)->server;
	if (server->ops->insist)
		server->ops->insist(server);
}

/* Somebody waits at the other end who has no lock: whoever serves a computer badly does not keep others from killing
 * it. */
int contained_ask_on(struct contained_computer *computer, enum computer_call call, int fd)
{
	struct computer_request request = {.call = call};
	struct iovec part = {&request, sizeof(request)};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
	const struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	/* Its end is seen by the reader. */
	ssize_t n = sendmsg(computer->control, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	return n < 0 && errno == EAGAIN ? reply_fail_silent() : 0;
}

static int write_usage(viso_process *process, int pipe)
{
	return contained_ask_on(process->data, COMPUTER_USAGE, pipe);
}

/* Of the doorbell as well, which is not to answer meanwhile. */
static int pause_computer(viso_process *process, bool pause, int pipe)
{
	struct contained_computer *computer = process->data;
	struct doorbell *doorbell = contained_computer_doorbell(computer);
	if (pause)
		doorbell_pause(doorbell);
	int r = contained_ask_on(computer, pause ? COMPUTER_PAUSE : COMPUTER_RESUME, pipe);
	if (pause == (r < 0))
		doorbell_resume(doorbell);
	return r;
}

/* The host's word counts where it has ended the process; what is no answer is a failure of the machine. */
static int make_result(struct contained_computer *computer, const viso_result *server, viso_result **out_result)
{
	struct contained_answer answer;
	int r = 1;
	if (server->reason == VISO_REASON_EXITED)
		r = contained_take_answer(&answer, receive(computer, computer->socket, &answer, sizeof(answer), 0),
					  out_result);
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
	struct contained_computer *computer = process->data;
	_cleanup_(cleanup_host_result) viso_result *server = NULL;
	int r = viso_process_wait(computer->server, 0, &server);
	if (r < 0)
		return r == -ETIMEDOUT || r == -EINTR ? 1 : r;
	bell_end(computer->bell);
	r = make_result(computer, server, out_result);
	if (r < 0)
		return r;
	(*out_result)->output[0] = server->output[0];
	server->output[0] = (struct captured_output){0};
	return 0;
}

static void release(viso_process *process)
{
	contained_computer_unref(process->data);
}

static const struct process_ops ops = {
	.signal = signal_computer,
	.kill = kill_computer,
	.insist = insist,
	.usage = write_usage,
	.pause = pause_computer,
	.collect = collect,
	.release = release,
};

static int make_sockets(struct contained_computer *computer, int out_theirs[2])
{
	int *own[2] = {&computer->socket, &computer->control};
	for (int i = 0; i < 2; i++) {
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
			return error_fail(VISO_STAGE_GUEST, errno, "socketpair", NULL);
		*own[i] = ends[0];
		out_theirs[i] = ends[1];
	}
	return 0;
}

static int set_streams(const viso_command *streams, viso_command *server)
{
	enum { CAPTURE_DEFAULT = 1 << 20 };
	int r = 0;
	for (int stream = 0; stream < 3 && r == 0 && streams; stream++)
		r = contained_copy_stdio(streams, server, stream);
	if (streams)
		return r;
	r = viso_command_set_stdio(server, VISO_STDIN, VISO_STDIO_NULL);
	return r == 0 ? viso_command_capture(server, CAPTURE_DEFAULT) : r;
}

static int set_limits(const viso_guest *guest, const viso_command *streams, viso_command *server)
{
	int r = viso_command_set_rlimit(server, VISO_RLIMIT_ADDRESS_SPACE,
					contained_add(contained_computer_memory(guest), addresses_beside));
	if (r == 0 && streams && streams->timeout_ms)
		r = viso_command_set_timeout_ms(server, contained_add(streams->timeout_ms, GRACE_MS));
	if (r == 0 && streams && streams->cpu_time_ms)
		r = viso_command_set_cpu_time_ms(server, contained_add(streams->cpu_time_ms, GRACE_MS));
	return r;
}

static int make_command(viso_guest *guest, const viso_command *streams, const int sockets[2],
			struct contained_computer *computer, viso_command **out_server)
{
	_cleanup_(cleanup_host_command) viso_command *server = viso_command_new(CONTAINED_PROGRAM);
	if (!server)
		return -viso_error_number();
	int r = owns_all_ids() ? viso_command_set_user(server, NOBODY, NOBODY) : 0;
	if (r == 0)
		r = set_streams(streams, server);
	if (r == 0)
		r = set_limits(guest, streams, server);
	if (r == 0)
		r = viso_command_add_fd(server, sockets[0], CONTAINED_SOCKET);
	if (r == 0)
		r = viso_command_add_fd(server, sockets[1], CONTAINED_CONTROL);
	if (r == 0)
		r = bell_new(guest, server, &computer->bell);
	if (r == 0)
		r = computer_fds_add(guest, streams, server);
	if (r == 0)
		*out_server = TAKE_PTR(server);
	return r;
}

static int start_server(viso_guest *guest, const viso_command *server, struct contained_computer *computer)
{
	bool is_limited = true;
	for (;;) {
		int r = contained_make_computer_container(guest, is_limited, &computer->container);
		if (r == 0)
			r = viso_sandbox_spawn(viso_container_sandbox(computer->container), server, &computer->server);
		if ((r != -EOPNOTSUPP && r != -EPERM) || !is_limited || viso_error_stage() != VISO_STAGE_CGROUP)
			return r;
		log_debug("a contained computer does without: %s", viso_error_message());
		is_limited = false;
		computer->container = viso_container_unref(computer->container);
	}
}

static int await_report(const struct contained_computer *computer)
{
	struct contained_report report;
	return contained_take_report(&report, receive(computer, computer->socket, &report, sizeof(report), START_MS));
}

static int start(viso_guest *guest, const viso_command *streams, struct contained_computer *computer)
{
	int theirs[2] = {-1, -1};
	_cleanup_(cleanup_host_command) viso_command *server = NULL;
	int r = make_sockets(computer, theirs);
	if (r == 0)
		r = make_command(guest, streams, theirs, computer, &server);
	if (r == 0)
		r = start_server(guest, server, computer);
	if (r == 0)
		r = bell_start(computer->bell, viso_process_fd(computer->server));
	for (int i = 0; i < 2; i++)
		close_fd(theirs[i]);
	if (r == 0)
		r = await_report(computer);
	if (r == 0 && guest->kernel->origin)
		bell_go_on(computer->bell);
	return r;
}

int contained_boot(viso_guest *guest, const viso_command *streams, viso_process *process,
		   struct contained_computer **out_computer)
{
	struct contained_computer *computer = calloc(1, sizeof(*computer));
	if (!computer)
		return error_memory();
	atomic_init(&computer->references, 1);
	computer->socket = computer->control = -1;
	pthread_mutex_init(&computer->lock, NULL);
	int r = start(guest, streams, computer);
	int fd = r == 0 ? fcntl(viso_process_fd(computer->server), F_DUPFD_CLOEXEC, 3) : -1;
	if (r == 0 && fd < 0)
		r = error_fail(VISO_STAGE_GUEST, errno, "dup", NULL);
	if (r < 0) {
		contained_computer_unref(computer);
		return r;
	}
	process->fd = fd;
	for (int i = 0; i < 3; i++)
		process->stream[i] = TAKE_FD(computer->server->stream[i]);
	process->ops = &ops;
	process->data = contained_computer_ref(computer);
	*out_computer = computer;
	return 0;
}
