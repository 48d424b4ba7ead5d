/* SPDX-License-Identifier: MIT */
/* The host's ends of a command's streams: files, pipes, a terminal, or memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "command/command.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "guest/agent/inside.h"
#include "guest/agent/spawn_message.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

/*
 * SMALL: what a fd takes at once that may block, when poll(2) has said that it is ready (PIPE_BUF is promised). OWED:
 * credit is given in pieces of this size; the guest has three times as much left until then.
 */
enum { SMALL = 4096, OWED = AGENT_WINDOW / 4, CAPTURE_FIRST = 4096 };

static int fail(int stream, const char *what)
{
	char object[32];
	snprintf(object, sizeof(object), "fd %d", stream);
	return error_fail(VISO_STAGE_STDIO, errno, object, "%s of the guest cannot be made from %s: %s", object, what,
			  strerrordesc_np(errno));
}

/*
 * A fd of our own for one of the caller's. Whether a fd blocks is a matter of its open file, which the host program has
 * as well: pipes and terminals are opened anew, as far as that is allowed. The master of a pseudo-terminal would be
 * another one then (pts(4)).
 */
static int open_copy(int fd, bool *out_patient)
{
	struct stat st;
	char name[32];
	int number, flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode) || (flags & O_PATH)) {
		errno = EISDIR;
		return -1;
	}
	*out_patient = !S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0)) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		int anew = fd_above_streams(open(name, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
		*out_patient = anew < 0;
		if (anew >= 0)
			return anew;
	}
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int open_pipe(int stream, int *out_own, int *out_host)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(stream, "a pipe");
	for (int i = 0; i < 2; i++)
		ends[i] = fd_above_streams(ends[i]);
	*out_own = ends[stream != 0];
	*out_host = ends[stream == 0];
	if (*out_own < 0 || *out_host < 0 || fcntl(*out_own, F_SETFL, O_NONBLOCK) < 0)
		return fail(stream, "a pipe");
	return 0;
}

static int open_memory(int memfd)
{
	char name[32];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", memfd);
	return fd_above_streams(open(name, O_RDONLY | O_CLOEXEC));
}

static int open_input(struct agent_input *input, const struct stdio_setting *setting, int *out_host, uint8_t *out_mode)
{
	*out_mode = AGENT_STREAM_HOST;
	switch (setting->kind) {
	case STDIO_PIPE:
		return open_pipe(0, &input->fd, out_host);
	case STDIO_FD:
		input->fd = open_copy(setting->fd, &input->is_patient);
		return input->fd < 0 ? fail(0, "the given fd") : 0;
	case STDIO_INPUT:
		input->fd = open_memory(setting->fd);
		return input->fd < 0 ? fail(0, "the given input") : 0;
	case STDIO_INHERIT:
		/* Where the host runs without this stream, so does the program. */
		if (fd_is_inheritable(0)) {
			input->fd = open_copy(0, &input->is_patient);
			return input->fd < 0 ? fail(0, "the host program's own") : 0;
		}
		break;
	default:
		break;
	}
	*out_mode = AGENT_STREAM_NULL;
	return 0;
}

static int open_output_fd(struct agent_output *output, int stream, int fd, const char *what)
{
	output->is_awaited = true;
	output->fd = open_copy(fd, &output->is_patient);
	return output->fd < 0 ? fail(stream, what) : 0;
}

static int open_output(struct agent_output *output, int stream, const struct stdio_setting *setting, int *out_host,
		       uint8_t *out_mode)
{
	int r = 0;
	*out_mode = AGENT_STREAM_HOST;
	switch (setting->kind) {
	case STDIO_PIPE:
		r = open_pipe(stream, &output->fd, out_host);
		break;
	case STDIO_FD:
		r = open_output_fd(output, stream, setting->fd, "the given fd");
		break;
	case STDIO_CAPTURE:
		output->captures = output->is_awaited = true;
		output->max = setting->max;
		break;
	case STDIO_STDOUT:
		*out_mode = AGENT_STREAM_STDOUT;
		return 0;
	case STDIO_INHERIT:
		if (fd_is_inheritable(stream)) {
			r = open_output_fd(output, stream, stream, "the host program's own");
			break;
		}
		*out_mode = AGENT_STREAM_NULL;
		return 0;
	default:
		*out_mode = AGENT_STREAM_NULL;
		return 0;
	}
	if (r < 0)
		return r;
	output->is_ours = true;
	output->has_ended = false;
	if (output->fd >= 0 && !(output->pending = malloc(AGENT_WINDOW)))
		return error_memory();
	return 0;
}

/*
 * A terminal of the host's stands for that of the guest, where the line discipline is; so this one has none. Its master
 * is the caller's.
 */
static int open_terminal(struct agent_command *command, const viso_command *settings, int *out_terminal)
{
	struct winsize size = {.ws_col = command->columns, .ws_row = command->rows};
	struct termios raw;
	int unlocked = 0;
	_cleanup_close_ int master = fd_above_streams(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
	if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0)
		return error_fail(VISO_STAGE_STDIO, errno, "/dev/ptmx", NULL);
	command->input.fd = fd_above_streams(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
	if (command->input.fd < 0 || tcgetattr(command->input.fd, &raw) < 0)
		return error_fail(VISO_STAGE_STDIO, errno, "TIOCGPTPEER", NULL);
	cfmakeraw(&raw);
	struct agent_output *output = &command->output[0];
	output->fd = fcntl(command->input.fd, F_DUPFD_CLOEXEC, 3);
	if (tcsetattr(command->input.fd, TCSANOW, &raw) < 0 || output->fd < 0)
		return error_fail(VISO_STAGE_STDIO, errno, "tcsetattr", NULL);
	output->is_ours = true;
	output->has_ended = false;
	output->pending = malloc(AGENT_WINDOW);
	if (!output->pending)
		return error_memory();
	*out_terminal = TAKE_FD(master);
	return 0;
}

int agent_open_streams(struct agent_command *command, const viso_command *settings, int out_host[3], int *out_terminal,
		       uint8_t out_modes[3])
{
	if (settings->terminal.columns) {
		command->has_terminal = true;
		command->columns = (unsigned short)settings->terminal.columns;
		command->rows = (unsigned short)settings->terminal.rows;
		memset(out_modes, AGENT_STREAM_HOST, 3);
		return open_terminal(command, settings, out_terminal);
	}
	int r = open_input(&command->input, &settings->stdio[0], &out_host[0], &out_modes[0]);
	for (int i = 1; i < 3 && r == 0; i++)
		r = open_output(&command->output[i - 1], i, &settings->stdio[i], &out_host[i], &out_modes[i]);
	return r;
}

/* The guest has sent them, and may send as many again. */
static void give_credit(struct agent_command *command, int k, bool at_once)
{
	struct agent_output *output = &command->output[k];
	uint32_t owed = output->used - (uint32_t)(output->end - output->begin);
	uint8_t data[5];
	struct packer packer = {.data = data, .room = sizeof(data)};
	if (output->has_ended || command->agent->state != AGENT_READY || owed < (at_once ? 1 : OWED))
		return;
	pack_u8(&packer, (uint8_t)(k + 1));
	pack_u32(&packer, owed);
	if (agent_say(command->agent, AGENT_CREDIT, command->id, data, packer.used) == 0)
		output->used -= owed;
}

/* Nobody reads it any more; the program in the guest is to learn that. */
static void stop_output(struct agent_command *command, int k)
{
	struct agent_output *output = &command->output[k];
	uint8_t stream = (uint8_t)(k + 1);
	output->fd = close_fd(output->fd);
	output->begin = output->end = 0;
	if (!output->has_ended && !output->is_stopped && command->agent->state == AGENT_READY)
		(void)agent_say(command->agent, AGENT_STOP_OUTPUT, command->id, &stream, 1);
	output->is_stopped = true;
}

static ssize_t write_some(const struct agent_output *output, const uint8_t *data, size_t size)
{
	if (output->is_patient) {
		struct pollfd ready = {.fd = output->fd, .events = POLLOUT};
		size = size < SMALL ? size : SMALL;
		if (poll(&ready, 1, 0) <= 0) {
			errno = EAGAIN;
			return -1;
		}
	}
	ssize_t n = send(output->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* The thread has SIGPIPE and SIGXFSZ blocked. */
	return n < 0 && errno == ENOTSOCK ? write(output->fd, data, size) : n;
}

void agent_output_flush(struct agent_command *command, int k)
{
	struct agent_output *output = &command->output[k];
	while (output->fd >= 0 && output->begin < output->end) {
		ssize_t n = write_some(output, output->pending + output->begin, output->end - output->begin);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			stop_output(command, k);
			break;
		}
		output->begin += (size_t)n;
	}
	if (output->begin == output->end)
		output->begin = output->end = 0;
	if (output->has_ended && !output->end)
		output->fd = close_fd(output->fd);
	give_credit(command, k, false);
}

/* As much as is wanted; memory that is not there cuts it. */
static void capture(struct agent_output *output, const uint8_t *data, size_t size)
{
	struct captured_output *captured = &output->captured;
	size_t room = output->max - captured->size;
	size_t part = size < room ? size : room;
	captured->truncated |= part < size;
	if (!part)
		return;
	/* Powers of two, beginning with CAPTURE_FIRST: where the size has just reached one, there is no room. */
	size_t have = captured->data ? CAPTURE_FIRST : 0;
	while (have && have < captured->size + 1)
		have *= 2;
	size_t need = CAPTURE_FIRST;
	while (need < captured->size + part + 1)
		need *= 2;
	if (need > have) {
		char *larger = realloc(captured->data, need);
		if (!larger) {
			captured->truncated = true;
			return;
		}
		captured->data = larger;
	}
	memcpy(captured->data + captured->size, data, part);
	captured->size += part;
	captured->data[captured->size] = '\0';
}

int agent_output_add(struct agent_command *command, int k, const uint8_t *data, size_t size)
{
	struct agent_output *output = &command->output[k];
	if (size > AGENT_WINDOW - output->used)
		return -EPROTO;
	output->used += (uint32_t)size;
	if (output->captures && !command->has_ended)
		capture(output, data, size);
	if (output->fd >= 0 && size) {
		memmove(output->pending, output->pending + output->begin, output->end - output->begin);
		output->end -= output->begin;
		output->begin = 0;
		memcpy(output->pending + output->end, data, size);
		output->end += size;
	}
	agent_output_flush(command, k);
	return 0;
}

static void end_input(struct agent_command *command)
{
	struct agent_input *input = &command->input;
	input->fd = close_fd(input->fd);
	if (!input->has_ended && command->agent->state == AGENT_READY)
		(void)agent_say(command->agent, AGENT_INPUT_END, command->id, NULL, 0);
	input->has_ended = true;
}

/* Whoever has it in hand may have set its size without us (TIOCSWINSZ). */
static void look_at_size(struct agent_command *command)
{
	struct winsize size;
	uint8_t data[4];
	struct packer packer = {.data = data, .room = sizeof(data)};
	if (!command->has_terminal || ioctl(command->input.fd, TIOCGWINSZ, &size) < 0 ||
	    (size.ws_col == command->columns && size.ws_row == command->rows))
		return;
	pack_u16(&packer, size.ws_col);
	pack_u16(&packer, size.ws_row);
	if (agent_say(command->agent, AGENT_RESIZE, command->id, data, packer.used) == 0) {
		command->columns = size.ws_col;
		command->rows = size.ws_row;
	}
}

static void read_input(struct agent_command *command)
{
	uint8_t data[AGENT_PAYLOAD_MAX];
	struct agent_input *input = &command->input;
	size_t size = input->credit < sizeof(data) ? input->credit : sizeof(data);
	if (input->is_patient && size > SMALL)
		size = SMALL;
	look_at_size(command);
	ssize_t n = recv(input->fd, data, size, MSG_DONTWAIT);
	if (n < 0 && errno == ENOTSOCK)
		n = read(input->fd, data, size);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_input(command);
		return;
	}
	if (agent_say(command->agent, AGENT_INPUT, command->id, data, (size_t)n) < 0)
		agent_break(command->agent, ENOMEM, "the host has no memory for what it is to be told");
	input->credit -= (uint32_t)n;
}

static bool reads_input(const struct agent_command *command, bool has_room)
{
	return command->input.fd >= 0 && command->input.credit && has_room && command->state == COMMAND_STARTED;
}

void agent_streams_poll(const struct agent_command *command, struct pollfd fds[AGENT_POLLS], bool has_room)
{
	bool reads = reads_input(command, has_room);
	fds[0] = (struct pollfd){.fd = reads ? command->input.fd : -1, .events = POLLIN};
	for (int k = 0; k < 2; k++) {
		const struct agent_output *output = &command->output[k];
		/* Without events, the end of its readers is told. */
		fds[1 + k] = (struct pollfd){.fd = output->fd, .events = output->end ? POLLOUT : 0};
	}
}

void agent_streams_serve(struct agent_command *command, const struct pollfd fds[AGENT_POLLS])
{
	/* What has come meanwhile may have ended them. */
	if (fds[0].revents && command->input.fd == fds[0].fd && reads_input(command, true))
		read_input(command);
	for (int k = 0; k < 2; k++) {
		struct agent_output *output = &command->output[k];
		if (output->fd < 0 || output->fd != fds[1 + k].fd || !fds[1 + k].revents)
			continue;
		if (fds[1 + k].revents & (POLLERR | POLLHUP | POLLNVAL))
			stop_output(command, k);
		agent_output_flush(command, k);
	}
}

void agent_streams_close(struct agent_command *command)
{
	command->input.fd = close_fd(command->input.fd);
	for (int k = 0; k < 2; k++) {
		struct agent_output *output = &command->output[k];
		output->fd = close_fd(output->fd);
		free(TAKE_PTR(output->pending));
		output->begin = output->end = 0;
	}
}
