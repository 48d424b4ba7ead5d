/* SPDX-License-Identifier: MIT */
/* This program's terminal and that of the process: what is typed goes in, what is shown comes out. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "run.h"

static volatile sig_atomic_t resized;

static void note_resize(int signal)
{
	resized = 1;
}

void terminal_size(unsigned *out_columns, unsigned *out_rows)
{
	struct winsize size;
	bool known = ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row;
	*out_columns = known ? size.ws_col : 80;
	*out_rows = known ? size.ws_row : 25;
}

/* Keys go to the process as they are, ^C too. */
static bool make_raw(struct termios *saved)
{
	struct termios raw;
	if (tcgetattr(STDIN_FILENO, saved) < 0)
		return false;
	raw = *saved;
	cfmakeraw(&raw);
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

/* False at the end of `from`. */
static bool copy(int from, int to)
{
	char buffer[4096];
	ssize_t size = read(from, buffer, sizeof(buffer));
	if (size < 0 && errno == EINTR)
		return true;
	for (ssize_t done = 0; done < size;) {
		ssize_t n = write(to, buffer + done, (size_t)(size - done));
		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? n : 0;
	}
	return size > 0; /* EIO: the last process has closed the terminal */
}

static void relay(viso_process *process, int terminal)
{
	static const char end_of_input = 4; /* ^D */
	struct pollfd polls[] = {{.fd = terminal, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	for (;;) {
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			return;
		if (resized) {
			unsigned columns, rows;
			resized = 0;
			terminal_size(&columns, &rows);
			if (viso_process_resize_terminal(process, columns, rows) < 0)
				fail();
		}
		if (polls[0].revents && !copy(terminal, STDOUT_FILENO))
			return;
		if (polls[1].revents && !copy(STDIN_FILENO, terminal)) {
			polls[1].fd = -1;
			if (write(terminal, &end_of_input, 1) < 0)
				return;
		}
		polls[0].revents = polls[1].revents = 0;
	}
}

int relay_terminal(viso_process *process)
{
	const struct sigaction on_resize = {.sa_handler = note_resize};
	struct termios saved;
	int terminal = viso_process_take_terminal(process);
	if (terminal < 0)
		return fail();
	sigaction(SIGWINCH, &on_resize, NULL);
	bool raw = make_raw(&saved);
	relay(process, terminal);
	if (raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	close(terminal);
	return 0;
}
