/* SPDX-License-Identifier: MIT */
#include "guest/kernel/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "command/command.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"

/* Written at once to a fd that might block: that much of a pipe is free when it is said to be writable (pipe(7)). */
enum { PIECE = 512, STUCK_AFTER_S = 1, CAPTURE_DEFAULT = 1 << 20, CAPTURE_BEGIN = 4096, INPUT_MAX = 4096 };

static int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

void console_init(struct console *console, int wake_fd)
{
	*console = (struct console){.input = -1, .output = -1, .wake_fd = wake_fd};
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&console->lock, NULL);
	pthread_cond_init(&console->room, &attributes);
	pthread_condattr_destroy(&attributes);
}

void console_forget(struct console *console)
{
	free(console->captured.data);
	free(console->waiting);
}

void console_release(struct console *console)
{
	console_hang_up(console);
	console_forget(console);
	console->captured = (struct captured_output){0};
	console->waiting = NULL;
	pthread_cond_destroy(&console->room);
	pthread_mutex_destroy(&console->lock);
}

static int fail(int stream, const char *what)
{
	char object[32];
	snprintf(object, sizeof(object), "fd %d", stream);
	return error_fail(VISO_STAGE_STDIO, errno, object, "%s of the computer cannot be made from %s: %s", object,
			  what, strerrordesc_np(errno));
}

/* A pipe or terminal; but the master of a pseudo-terminal that is opened anew is another terminal (pts(4)). */
static bool can_open_anew(int fd, const struct stat *st)
{
	int number;
	return S_ISFIFO(st->st_mode) || (S_ISCHR(st->st_mode) && isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0);
}

/*
 * A copy of a fd that others use, too: whether it blocks is a matter of its open file, so that is left alone, and what
 * can be is opened anew.
 */
static int use_fd(int fd, int access, bool *out_may_block)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode) || (flags & O_PATH)) {
		errno = EISDIR;
		return -1;
	}
	*out_may_block = false;
	if (can_open_anew(fd, &st)) {
		char name[32];
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		int anew = fd_above_streams(open(name, access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
		if (anew >= 0)
			return anew;
	}
	*out_may_block = true;
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int open_shared(struct console *console, int stream, int fd, const char *what)
{
	bool may_block;
	int own = use_fd(fd, stream == STDIN_FILENO ? O_RDONLY : O_WRONLY, &may_block);
	if (own < 0)
		return fail(stream, what);
	if (stream == STDIN_FILENO)
		console->input = own;
	else
		console->output = own;
	if (stream == STDOUT_FILENO)
		console->output_may_block = may_block;
	return 0;
}

static int open_pipe(struct console *console, int stream, int *out_host)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(stream, "a pipe");
	bool is_input = stream == STDIN_FILENO;
	int own = fd_above_streams(ends[is_input ? 0 : 1]);
	*out_host = ends[is_input ? 1 : 0];
	if (own < 0)
		return fail(stream, "a pipe");
	fcntl(own, F_SETFL, O_NONBLOCK);
	if (is_input)
		console->input = own;
	else
		console->output = own;
	return 0;
}

static int open_input(struct console *console, int fd)
{
	char name[32];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	console->input = fd_above_streams(open(name, O_RDONLY | O_CLOEXEC));
	return console->input < 0 ? fail(STDIN_FILENO, "the given input") : 0;
}

static int open_stream(struct console *console, const struct stdio_setting *setting, int stream, int *out_host)
{
	switch (setting->kind) {
	case STDIO_PIPE:
		return open_pipe(console, stream, out_host);
	case STDIO_FD:
		return open_shared(console, stream, setting->fd, "the given fd");
	case STDIO_INPUT:
		return open_input(console, setting->fd);
	case STDIO_CAPTURE:
		console->is_captured = true;
		console->capture_max = setting->max;
		return 0;
	case STDIO_INHERIT:
		return fd_is_inheritable(stream) ? open_shared(console, stream, stream, "the host program's own") : 0;
	case STDIO_NULL:
	case STDIO_STDOUT:
	default:
		return 0;
	}
}

int console_open(struct console *console, const viso_command *streams, int out_host[3])
{
	const struct stdio_setting capture = {.kind = STDIO_CAPTURE, .fd = -1, .max = CAPTURE_DEFAULT};
	const struct stdio_setting none = {.kind = STDIO_NULL, .fd = -1};
	int r = open_stream(console, streams ? &streams->stdio[0] : &none, STDIN_FILENO, &out_host[0]);
	if (r == 0)
		r = open_stream(console, streams ? &streams->stdio[1] : &capture, STDOUT_FILENO, &out_host[1]);
	if (r == 0 && streams && streams->stdio[2].kind == STDIO_PIPE) {
		/* Nothing comes: its reader sees the end at once. */
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			return fail(STDERR_FILENO, "a pipe");
		close_fd(ends[1]);
		out_host[2] = ends[0];
	}
	if (r == 0 && console->output >= 0) {
		console->waiting = malloc(CONSOLE_WAITING_MAX);
		if (!console->waiting)
			return error_memory();
	}
	return r;
}

/* Room for one more, and for the NUL: doubled whenever it is full. */
static bool grow(struct captured_output *out)
{
	size_t size = out->size;
	if (size && (size < CAPTURE_BEGIN || (size & (size - 1))))
		return true;
	char *larger = realloc(out->data, (size ? size * 2 : CAPTURE_BEGIN) + 1);
	if (larger)
		out->data = larger;
	return larger != NULL;
}

static void capture(struct console *console, const uint8_t *bytes, size_t size)
{
	struct captured_output *out = &console->captured;
	for (size_t i = 0; i < size; i++) {
		if (out->size >= console->capture_max || !grow(out)) {
			out->truncated = true;
			return;
		}
		out->data[out->size++] = (char)bytes[i];
		out->data[out->size] = 0;
	}
}

/* Waits until there is room, not for ever. */
static void await_room(struct console *console)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STUCK_AFTER_S;
	int error = 0;
	while (console->count == CONSOLE_WAITING_MAX && !console->is_closed && !console->is_stuck && error != ETIMEDOUT)
		error = pthread_cond_timedwait(&console->room, &console->lock, &until);
	console->is_stuck = console->count == CONSOLE_WAITING_MAX;
}

/* With the lock: as many as there is room for. */
static size_t keep(struct console *console, const uint8_t *bytes, size_t size)
{
	size_t kept = 0;
	while (kept < size && console->count < CONSOLE_WAITING_MAX) {
		size_t end = (console->first + console->count) % CONSOLE_WAITING_MAX;
		size_t room = (end < console->first ? console->first : CONSOLE_WAITING_MAX) - end;
		size_t some = size - kept < room ? size - kept : room;
		memcpy(console->waiting + end, bytes + kept, some);
		console->count += some;
		kept += some;
	}
	return kept;
}

size_t console_send(struct console *console, const void *bytes, size_t size)
{
	bool wakes = false;
	size_t taken = size;
	pthread_mutex_lock(&console->lock);
	if (console->is_captured) {
		capture(console, bytes, size);
	} else if (console->waiting) {
		wakes = console->count == 0;
		taken = keep(console, bytes, size);
		if (taken < size && (console->is_stuck || console->is_closed))
			taken = size;
		if (taken < size && console->refused == 0) {
			console->refused = now();
			wakes = true;
		}
	}
	pthread_mutex_unlock(&console->lock);
	if (wakes)
		eventfd_write(console->wake_fd, 1);
	return taken;
}

static void send_byte(void *data, uint8_t byte)
{
	struct console *console = data;
	pthread_mutex_lock(&console->lock);
	if (console->waiting && console->count == CONSOLE_WAITING_MAX && !console->is_stuck)
		await_room(console);
	pthread_mutex_unlock(&console->lock);
	console_send(console, &byte, 1);
}

/* The attendant may read more of the input. */
void console_has_room(struct console *console)
{
	if (console->input >= 0)
		eventfd_write(console->wake_fd, 1);
}

static void has_room(void *data)
{
	console_has_room(data);
}

struct serial_line console_serial_line(struct console *console)
{
	return (struct serial_line){.send = send_byte, .has_room = has_room, .data = console};
}

void console_window(const struct console *console, uint16_t *out_columns, uint16_t *out_rows)
{
	struct winsize size = {0};
	if (console->output >= 0)
		(void)ioctl(console->output, TIOCGWINSZ, &size);
	*out_columns = size.ws_col;
	*out_rows = size.ws_row;
}

int console_wait(struct console *console, int wait_ms)
{
	pthread_mutex_lock(&console->lock);
	int64_t left = console->refused ? console->refused + STUCK_AFTER_S * INT64_C(1000000000) - now() : INT64_MAX;
	bool is_over = left <= 0;
	if (is_over) {
		console->is_stuck = true;
		console->refused = 0;
	}
	pthread_mutex_unlock(&console->lock);
	if (is_over && console->guest.resume)
		console->guest.resume(console->guest.data);
	return !is_over && left / 1000000 < wait_ms ? (int)(left / 1000000) + 1 : wait_ms;
}

bool console_has_output(struct console *console)
{
	pthread_mutex_lock(&console->lock);
	bool has = console->count > 0;
	pthread_mutex_unlock(&console->lock);
	return has;
}

void console_poll_for(struct console *console, struct pollfd fds[CONSOLE_FDS])
{
	bool reads = console->input >= 0 && !console->input_has_ended && console->guest.room &&
		     console->guest.room(console->guest.data) > 0;
	fds[0] = (struct pollfd){.fd = reads ? console->input : -1, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = console_has_output(console) ? console->output : -1, .events = POLLOUT};
}

static void read_input(struct console *console)
{
	const struct console_guest *guest = &console->guest;
	uint8_t data[INPUT_MAX];
	size_t room = guest->room(guest->data);
	if (!room)
		return;
	ssize_t n = read(console->input, data, room < sizeof(data) ? room : sizeof(data));
	if (n > 0)
		guest->receive(guest->data, data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		console->input_has_ended = true;
}

/* Sockets as such: a shared one may block, and writing to it may raise SIGPIPE, but not so. */
static ssize_t write_some(const struct console *console, const uint8_t *data, size_t size)
{
	ssize_t n = send(console->output, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0 || errno != ENOTSOCK)
		return n;
	return write(console->output, data, console->output_may_block && size > PIECE ? PIECE : size);
}

/* Only the attendant takes away, so what is there stays while it is written without the lock. */
static void write_output(struct console *console)
{
	pthread_mutex_lock(&console->lock);
	size_t first = console->first, count = console->count;
	pthread_mutex_unlock(&console->lock);
	if (first + count > CONSOLE_WAITING_MAX)
		count = CONSOLE_WAITING_MAX - first;
	ssize_t n = write_some(console, console->waiting + first, count);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	pthread_mutex_lock(&console->lock);
	/* Where nobody will ever read, it is lost. */
	size_t gone = n < 0 ? console->count : (size_t)n;
	console->first = (first + gone) % CONSOLE_WAITING_MAX;
	console->count -= gone;
	bool resumes = gone && console->refused;
	if (gone) {
		console->is_stuck = false;
		console->refused = 0;
	}
	pthread_cond_broadcast(&console->room);
	pthread_mutex_unlock(&console->lock);
	if (resumes && console->guest.resume)
		console->guest.resume(console->guest.data);
}

void console_serve(struct console *console, const struct pollfd fds[CONSOLE_FDS])
{
	if (fds[0].fd >= 0 && fds[0].revents)
		read_input(console);
	if (fds[1].fd >= 0 && fds[1].revents)
		write_output(console);
}

void console_close(struct console *console)
{
	pthread_mutex_lock(&console->lock);
	console->is_closed = true;
	pthread_cond_broadcast(&console->room);
	pthread_mutex_unlock(&console->lock);
}

void console_hang_up(struct console *console)
{
	console->input = close_fd(console->input);
	console->output = close_fd(console->output);
}
