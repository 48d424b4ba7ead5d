/* SPDX-License-Identifier: MIT */
/* The commands: their attendants, and their streams between pipes and the host. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <virtiso/error.h>

#include "core/cleanup.h"
#include "guest/agent/program/agent.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

enum { PIECE = 16 << 10 };

struct command {
	bool is_used;
	bool is_forgotten; /* by the host */
	bool has_failed, has_exited;
	uint32_t id;
	unsigned serial; /* of its place */
	int control;     /* to its attendant; -1 after its end */
	int input;       /* -1 where there is none, or no more */
	int output[2];   /* -1 likewise */
	uint32_t credit[2];
	bool input_ends;
	bool is_terminal;
	uint8_t *pending; /* input that was not taken: AGENT_WINDOW bytes of room */
	size_t pending_begin, pending_end;
};

static struct command commands[AGENT_COMMANDS_MAX];
static size_t used;
static unsigned last_serial;

/* Those that commands_poll() has given places, in their order. */
static struct {
	size_t place;
	unsigned serial;
} polled[AGENT_COMMANDS_MAX];

size_t commands_count(void)
{
	return used;
}

static struct command *find(uint32_t id)
{
	for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++)
		if (commands[i].is_used && !commands[i].is_forgotten && commands[i].id == id)
			return &commands[i];
	return NULL;
}

static struct command *take_free(uint32_t id)
{
	for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++)
		if (!commands[i].is_used) {
			commands[i] = (struct command){.is_used = true, .id = id, .control = -1, .input = -1};
			commands[i].serial = ++last_serial;
			for (int k = 0; k < 2; k++) {
				commands[i].output[k] = -1;
				commands[i].credit[k] = AGENT_WINDOW;
			}
			used++;
			return &commands[i];
		}
	return NULL;
}

static void close_input(struct command *command)
{
	command->input = close_fd(command->input);
	free(command->pending);
	command->pending = NULL;
	command->pending_begin = command->pending_end = 0;
}

static void tell(const struct command *command, unsigned type, const void *data, size_t size)
{
	if (!command->is_forgotten)
		say(type, command->id, data, size);
}

static void end_output(struct command *command, int k)
{
	uint8_t stream = (uint8_t)(k + 1);
	if (command->output[k] < 0)
		return;
	command->output[k] = close_fd(command->output[k]);
	tell(command, AGENT_OUTPUT_END, &stream, 1);
}

/* After its end; the host hears of it no more. */
static void release_if_done(struct command *command)
{
	bool is_done = command->has_failed || (command->has_exited && command->output[0] < 0 && command->output[1] < 0);
	if (!command->is_used || !is_done)
		return;
	close_input(command);
	command->control = close_fd(command->control);
	command->is_used = false;
	used--;
}

static void fail(uint32_t id, unsigned stage, int error, const char *object)
{
	uint8_t data[8 + AGENT_OBJECT_MAX];
	struct packer packer = {.data = data, .room = sizeof(data)};
	pack_u32(&packer, stage);
	pack_u32(&packer, (uint32_t)error);
	pack_bytes(&packer, object, strnlen(object, AGENT_OBJECT_MAX));
	say(AGENT_FAILED, id, data, packer.used);
}

static int set_non_blocking(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static int open_terminal(struct command *command, const struct spec *spec, int theirs[3])
{
	struct winsize size = {.ws_col = spec->columns, .ws_row = spec->rows};
	int unlocked = 0;
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		return -errno;
	command->input = master;
	command->is_terminal = true;
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0)
		return -errno;
	theirs[0] = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (theirs[0] < 0 || (command->output[0] = fcntl(master, F_DUPFD_CLOEXEC, 3)) < 0)
		return -errno;
	for (int i = 1; i < 3; i++)
		if ((theirs[i] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 3)) < 0)
			return -errno;
	uid_t uid = spec->flags & AGENT_SPAWN_HAS_USER ? spec->uid : AGENT_DEFAULT_ID;
	if (geteuid() == 0 && fchown(theirs[0], uid, (gid_t)-1) < 0)
		return -errno;
	return set_non_blocking(master) < 0 ? -errno : 0;
}

static int open_stream(struct command *command, const struct spec *spec, int i, int theirs[3])
{
	int ends[2];
	if (spec->stream[i] == AGENT_STREAM_NULL) {
		theirs[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
		return theirs[i] < 0 ? -errno : 0;
	}
	if (spec->stream[i] == AGENT_STREAM_STDOUT) {
		theirs[i] = fcntl(theirs[1], F_DUPFD_CLOEXEC, 3);
		return theirs[i] < 0 ? -errno : 0;
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	theirs[i] = ends[i != 0];
	int ours = ends[i == 0];
	if (i == 0)
		command->input = ours;
	else
		command->output[i - 1] = ours;
	return set_non_blocking(ours) < 0 ? -errno : 0;
}

static int open_streams(struct command *command, const struct spec *spec, int theirs[3])
{
	int r = 0;
	if (spec->flags & AGENT_SPAWN_TERMINAL)
		r = open_terminal(command, spec, theirs);
	for (int i = 0; i < 3 && r == 0 && !command->is_terminal; i++)
		r = open_stream(command, spec, i, theirs);
	if (r == 0 && command->input >= 0 && !(command->pending = malloc(AGENT_WINDOW)))
		r = -ENOMEM;
	return r;
}

/* 0 or a negative errno. */
static int start(struct command *command, struct spec *spec, const int theirs[3])
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		attendant_run(spec, ends[1], theirs);
	close_fd(ends[1]);
	if (pid < 0) {
		close_fd(ends[0]);
		return -errno;
	}
	command->control = ends[0];
	return set_non_blocking(ends[0]) < 0 ? -errno : 0;
}

static void abandon(struct command *command, unsigned stage, int error, const char *object)
{
	for (int k = 0; k < 2; k++)
		command->output[k] = close_fd(command->output[k]);
	command->has_failed = true;
	if (!command->is_forgotten)
		fail(command->id, stage, error, object);
	release_if_done(command);
}

static void spawn(uint32_t id, struct spec *spec)
{
	int theirs[3] = {-1, -1, -1};
	struct command *command = take_free(id);
	if (!command) {
		fail(id, VISO_STAGE_CLONE, EAGAIN, "commands");
		return;
	}
	unsigned stage = VISO_STAGE_STDIO;
	const char *object = spec->flags & AGENT_SPAWN_TERMINAL ? "/dev/ptmx" : "/dev/null";
	int r = open_streams(command, spec, theirs);
	if (r == 0) {
		stage = VISO_STAGE_CLONE;
		object = "fork";
		r = start(command, spec, theirs);
	}
	for (int i = 0; i < 3; i++)
		close_fd(theirs[i]);
	if (r < 0)
		abandon(command, stage, -r, object);
}

void command_spawn(uint32_t id, uint8_t *blob, size_t size)
{
	struct spec spec;
	int r = spec_parse(&spec, blob, size);
	if (r == -EPROTO || find(id))
		session_end();
	else if (r < 0)
		fail(id, VISO_STAGE_MEMORY, -r, "");
	else
		spawn(id, &spec);
	spec_release(&spec);
}

static void order(const struct command *command, uint8_t what)
{
	if (command->control >= 0)
		(void)!send(command->control, &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void write_input(struct command *command)
{
	size_t before = command->pending_begin;
	while (command->input >= 0 && command->pending_begin < command->pending_end) {
		ssize_t n = write(command->input, command->pending + command->pending_begin,
				  command->pending_end - command->pending_begin);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			close_input(command);
			tell(command, AGENT_INPUT_CLOSED, NULL, 0);
			return;
		}
		command->pending_begin += (size_t)n;
	}
	if (command->pending_begin > before) {
		uint8_t data[4];
		struct packer packer = {.data = data, .room = sizeof(data)};
		pack_u32(&packer, (uint32_t)(command->pending_begin - before));
		tell(command, AGENT_INPUT_CREDIT, data, sizeof(data));
	}
	if (command->pending_begin == command->pending_end)
		command->pending_begin = command->pending_end = 0;
	if (command->input_ends && !command->pending_end)
		close_input(command);
}

/* The host has credit for no more than there is room, or it is out of step. */
static void add_input(struct command *command, const struct agent_frame *frame)
{
	if (command->input < 0 || command->input_ends)
		return;
	if (command->pending_begin) {
		memmove(command->pending, command->pending + command->pending_begin,
			command->pending_end - command->pending_begin);
		command->pending_end -= command->pending_begin;
		command->pending_begin = 0;
	}
	if (frame->size > AGENT_WINDOW - command->pending_end) {
		session_end();
		return;
	}
	memcpy(command->pending + command->pending_end, frame->data, frame->size);
	command->pending_end += frame->size;
	write_input(command);
}

static void resize(const struct command *command, struct unpacker *arguments)
{
	struct winsize size = {.ws_col = unpack_u16(arguments)};
	size.ws_row = unpack_u16(arguments);
	if (command->is_terminal && command->input >= 0 && !arguments->is_bad)
		ioctl(command->input, TIOCSWINSZ, &size);
}

static void add_credit(struct command *command, struct unpacker *arguments)
{
	unsigned stream = unpack_u8(arguments);
	uint32_t bytes = unpack_u32(arguments);
	if (arguments->is_bad || stream < 1 || stream > 2 || bytes > AGENT_WINDOW ||
	    command->credit[stream - 1] + bytes > AGENT_WINDOW)
		session_end();
	else
		command->credit[stream - 1] += bytes;
}

bool command_take(const struct agent_frame *frame)
{
	struct unpacker arguments = {.data = frame->data, .left = frame->size};
	struct command *command = find(frame->id);
	/* It may just have ended. */
	if (!command)
		return frame->type >= AGENT_INPUT && frame->type <= AGENT_RESIZE;
	unsigned value;
	switch (frame->type) {
	case AGENT_INPUT:
		add_input(command, frame);
		return true;
	case AGENT_INPUT_END:
		command->input_ends = true;
		write_input(command);
		return true;
	case AGENT_CREDIT:
		add_credit(command, &arguments);
		return true;
	case AGENT_STOP_OUTPUT:
		value = unpack_u8(&arguments);
		if (value == 1 || value == 2)
			end_output(command, (int)value - 1);
		release_if_done(command);
		return true;
	case AGENT_SIGNAL:
		value = unpack_u8(&arguments);
		if (value >= 1 && value <= 64)
			order(command, (uint8_t)value);
		return true;
	case AGENT_KILL:
		order(command, ORDER_KILL);
		return true;
	case AGENT_RESIZE:
		resize(command, &arguments);
		return true;
	default:
		return false;
	}
}

void commands_forget(void)
{
	for (size_t i = 0; i < AGENT_COMMANDS_MAX; i++) {
		struct command *command = &commands[i];
		if (!command->is_used)
			continue;
		command->is_forgotten = true;
		close_input(command);
		/* A reader that is gone would end what goes on; so it is read, to nowhere. */
		for (int k = 0; k < 2; k++)
			command->credit[k] = AGENT_WINDOW;
	}
}

/* False where there is no more now. */
static bool read_piece(struct command *command, int k)
{
	uint8_t data[1 + PIECE];
	size_t size = command->credit[k] < PIECE ? command->credit[k] : PIECE;
	if (command->output[k] < 0 || !size || queue_is_full())
		return false;
	ssize_t n = read(command->output[k], data + 1, size);
	if (n < 0 && errno == EINTR)
		return true;
	/* Others may hold it open after the program's end, for ever. EIO: nobody has the terminal open any more. */
	if (n < 0 && errno == EAGAIN && !command->has_exited)
		return false;
	if (n <= 0) {
		end_output(command, k);
		return false;
	}
	if (command->is_forgotten)
		return !command->has_exited;
	command->credit[k] -= (uint32_t)n;
	data[0] = (uint8_t)(k + 1);
	tell(command, AGENT_OUTPUT, data, (size_t)n + 1);
	return true;
}

/* After the end all that is there, since poll(2) would not tell that there is nothing; else one piece of each in turn.
 */
static void read_output(struct command *command, int k)
{
	while (read_piece(command, k) && command->has_exited)
		;
	if (command->has_exited && command->is_forgotten)
		end_output(command, k);
}

static void tell_end(struct command *command, const struct report *report)
{
	uint8_t data[8 + 8 * AGENT_USED_COUNT];
	struct packer packer = {.data = data, .room = sizeof(data)};
	pack_u32(&packer, report->end);
	pack_u32(&packer, report->status);
	for (int i = 0; i < AGENT_USED_COUNT; i++)
		pack_u64(&packer, report->used[i]);
	tell(command, AGENT_EXITED, data, packer.used);
	command->has_exited = true;
	command->control = close_fd(command->control);
	close_input(command);
}

static void take_report(struct command *command, const struct report *report)
{
	uint8_t data[4];
	struct packer packer = {.data = data, .room = sizeof(data)};
	switch (report->kind) {
	case REPORT_STARTED:
		pack_u32(&packer, report->pid);
		tell(command, AGENT_STARTED, data, packer.used);
		break;
	case REPORT_FAILED:
		abandon(command, report->failure.stage, (int)report->failure.error, report->failure.object);
		break;
	default:
		tell_end(command, report);
	}
}

static void read_report(struct command *command)
{
	struct report report;
	ssize_t n = recv(command->control, &report, sizeof(report), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(report)) {
		/* The attendant was killed. */
		report = (struct report){.kind = REPORT_ENDED, .end = AGENT_END_LOST, .status = SIGKILL};
	}
	take_report(command, &report);
}

nfds_t commands_poll(struct pollfd *fds)
{
	bool has_room = !queue_is_full();
	nfds_t count = 0;
	for (size_t i = 0, seen = 0; seen < used && i < AGENT_COMMANDS_MAX; i++) {
		const struct command *command = &commands[i];
		if (!command->is_used)
			continue;
		polled[seen].place = i;
		polled[seen++].serial = command->serial;
		fds[count++] = (struct pollfd){.fd = command->control, .events = POLLIN};
		bool has_input = command->pending_begin < command->pending_end;
		/* Without events, the end of its readers is told; of a terminal the output tells it. */
		bool polls = command->input >= 0 && (has_input || !command->is_terminal);
		fds[count++] = (struct pollfd){.fd = polls ? command->input : -1, .events = has_input ? POLLOUT : 0};
		for (int k = 0; k < 2; k++) {
			bool reads = command->output[k] >= 0 && command->credit[k] && has_room;
			fds[count++] = (struct pollfd){.fd = reads ? command->output[k] : -1, .events = POLLIN};
		}
	}
	return count;
}

static void serve(struct command *command, const struct pollfd fds[COMMAND_POLLS])
{
	if (command->control >= 0 && fds[0].revents)
		read_report(command);
	if (command->is_used && command->input >= 0 && fds[1].revents) {
		if (command->pending_begin < command->pending_end)
			write_input(command);
		else if (fds[1].revents & (POLLERR | POLLHUP)) {
			close_input(command);
			tell(command, AGENT_INPUT_CLOSED, NULL, 0);
		}
	}
	for (int k = 0; k < 2 && command->is_used; k++)
		if (fds[2 + k].revents || command->has_exited)
			read_output(command, k);
	release_if_done(command);
}

void commands_serve(const struct pollfd *fds, nfds_t count)
{
	for (nfds_t i = 0; i < count / COMMAND_POLLS; i++) {
		struct command *command = &commands[polled[i].place];
		if (command->is_used && command->serial == polled[i].serial)
			serve(command, fds + i * COMMAND_POLLS);
	}
}
