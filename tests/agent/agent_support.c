/* SPDX-License-Identifier: MIT */
#include "agent_support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/copy/copy.h"

static int backend_spawn(viso_sandbox *sandbox, const viso_command *command, int root_fd, bool to_end,
			 viso_process *process)
{
	struct pretended *guest = (struct pretended *)sandbox;
	return guest->ops ? guest->ops->spawn(guest->other, command, process)
			  : agent_spawn(guest->agent, command, process);
}

static int backend_copy_out(viso_sandbox *sandbox, const char *path, const char *destination)
{
	struct pretended *guest = (struct pretended *)sandbox;
	return guest->ops ? guest->ops->copy_out(guest->other, path, destination)
			  : agent_copy_out(guest->agent, path, destination);
}

static int backend_copy_in(viso_sandbox *sandbox, const char *source, const char *path)
{
	struct pretended *guest = (struct pretended *)sandbox;
	return guest->ops ? guest->ops->copy_in(guest->other, sandbox, source, path) : copy_in(sandbox, source, path);
}

static int backend_start(viso_sandbox *sandbox, int root_fd)
{
	return 0;
}

static enum sandbox_nature backend_nature(const viso_sandbox *sandbox)
{
	return SANDBOX_COMPUTER;
}

static const struct backend backend = {
	.isolation = VISO_ISOLATION_GUEST,
	.nature = backend_nature,
	.start = backend_start,
	.spawn = backend_spawn,
	.copy_in = backend_copy_in,
	.copy_out = backend_copy_out,
};

int start_agent(pid_t *out_pid)
{
	int ends[2];
	const char *program = getenv("VISO_TEST_AGENT");
	assert_non_null(program);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*out_pid = fork();
	if (*out_pid == 0) {
		int fd = fcntl(ends[1], F_DUPFD, 10);
		char number[12];
		snprintf(number, sizeof(number), "%d", fd);
		execl(program, program, "--fd", number, NULL);
		_exit(127);
	}
	close(ends[1]);
	return ends[0];
}

void end_agent(pid_t pid)
{
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
}

static struct pretended *new_guest(void)
{
	struct pretended *guest = calloc(1, sizeof(*guest));
	assert_non_null(guest);
	assert_ok(sandbox_init(&guest->sandbox, &backend));
	return guest;
}

struct pretended *pretended_with(const struct agent_ops *ops, int socket)
{
	struct pretended *guest = new_guest();
	guest->ops = ops;
	const struct agent_watch none = {.closed_fd = -1};
	assert_ok(ops->open(socket, &none, &guest->other));
	return guest;
}

struct pretended *pretended_over(int socket)
{
	struct pretended *guest = new_guest();
	assert_ok(agent_new(socket, 0, &guest->agent));
	return guest;
}

struct pretended *pretended_open(void)
{
	pid_t pid;
	int socket = start_agent(&pid);
	struct pretended *guest = pretended_over(socket);
	guest->pid = pid;
	assert_ok(agent_await(guest->agent, 10000));
	return guest;
}

void pretended_close(struct pretended *guest)
{
	assert_ok(viso_sandbox_close(&guest->sandbox));
	if (guest->ops) {
		guest->ops->close(guest->other);
		guest->ops->unref(guest->other);
	} else {
		agent_close(guest->agent);
		agent_unref(guest->agent);
	}
	assert_true(sandbox_unref(&guest->sandbox));
	if (guest->pid)
		end_agent(guest->pid);
	free(guest);
}

viso_command *script(const char *text)
{
	viso_command *command = viso_command_new("/bin/sh");
	assert_non_null(command);
	assert_ok(viso_command_add_arg(command, "-c"));
	assert_ok(viso_command_add_arg(command, text));
	assert_ok(viso_command_capture(command, 1 << 20));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	return command;
}

viso_result *run(struct pretended *guest, viso_command *command)
{
	viso_result *result = NULL;
	assert_ok(viso_sandbox_run(&guest->sandbox, command, &result));
	viso_command_unref(command);
	return result;
}

viso_process *spawn(struct pretended *guest, viso_command *command)
{
	viso_process *process = NULL;
	assert_ok(viso_sandbox_spawn(&guest->sandbox, command, &process));
	viso_command_unref(command);
	return process;
}

viso_result *finish(viso_process *process)
{
	viso_result *result = NULL;
	assert_ok(viso_process_wait(process, 20000, &result));
	viso_process_unref(process);
	return result;
}

void assert_end(viso_result *result, viso_reason reason, int code, const char *output)
{
	if (viso_result_reason(result) != (int)reason)
		print_error("%s; %s\n", viso_result_describe(result), viso_result_output(result, VISO_STDERR, NULL));
	assert_int_equal(viso_result_reason(result), reason);
	assert_int_equal(reason == VISO_REASON_EXITED ? viso_result_exit_code(result) : viso_result_signal(result),
			 code);
	if (output)
		assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), output);
	viso_result_unref(result);
}

void send_frame(int socket, unsigned type, uint32_t id, uint64_t token, const void *data, size_t size)
{
	uint8_t frame[AGENT_HEADER + AGENT_PAYLOAD_MAX];
	frames_put_header(frame, type, id, token, size);
	memcpy(frame + AGENT_HEADER, data, size);
	(void)!send(socket, frame, AGENT_HEADER + size, MSG_NOSIGNAL);
}

bool next_frame(int socket, struct frame_reader *reader, struct agent_frame *out)
{
	int r;
	while ((r = frames_next(reader, out)) == 0) {
		struct pollfd ready = {.fd = socket, .events = POLLIN};
		size_t room;
		uint8_t *place = frames_room(reader, &room);
		if (poll(&ready, 1, 10000) <= 0)
			return false;
		ssize_t n = read(socket, place, room);
		if (n <= 0)
			return false;
		frames_add(reader, (size_t)n);
	}
	return r > 0;
}
