/* SPDX-License-Identifier: MIT */
/* The streams of a computer, and what waits between them and its serial port or console. */
#ifndef GUEST_KERNEL_CONSOLE_H
#define GUEST_KERNEL_CONSOLE_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <virtiso/command.h>

#include <stdint.h>

#include "guest/device/serial.h"
#include "sandbox/result.h"

enum { CONSOLE_WAITING_MAX = 64 << 10, CONSOLE_FDS = 2 };

/* Where the input goes, and who waits until there is room for output. */
struct console_guest {
	size_t (*room)(void *data);
	size_t (*receive)(void *data, const void *bytes, size_t size);
	void (*resume)(void *data); /* may be NULL */
	void *data;
};

struct console {
	int input, output; /* owned; -1 for none */
	bool output_may_block, input_has_ended;
	int wake_fd;                /* of the attendant, borrowed */
	struct console_guest guest; /* without functions: none */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t room;  /* some was written, or nobody waits any more */
	bool is_captured;
	struct captured_output captured;
	size_t capture_max;
	uint8_t *waiting; /* a ring */
	size_t first, count;
	int64_t refused; /* when something found no room first; 0: nothing has */
	bool is_stuck;   /* nobody has read for too long: what does not fit is lost */
	bool is_closed;  /* nobody waits any more */
};

void console_init(struct console *console, int wake_fd);

/* Opens the streams of a command (NULL: output captured). 0 or a negative errno with the error set. */
int console_open(struct console *console, const viso_command *streams, int out_host[3]);
void console_release(struct console *console);
/* In a forked child. */
void console_forget(struct console *console);

/* The line of the serial port: from it to the output. It waits where there is no room. */
struct serial_line console_serial_line(struct console *console);

/* For a console that does not wait: how many bytes were taken. Who waits is resumed. */
size_t console_send(struct console *console, const void *bytes, size_t size);

/* The guest may have made room for input. */
void console_has_room(struct console *console);

/* Of the terminal that the output goes to; 0 where it is none. */
void console_window(const struct console *console, uint16_t *out_columns, uint16_t *out_rows);

/* For the attendant, before it waits so many milliseconds: how many it may wait. What nobody reads is lost. */
int console_wait(struct console *console, int wait_ms);

/* What to poll for, and what to do then. How many there are; fds that are not to be looked at are
 * -1. */
void console_poll_for(struct console *console, struct pollfd fds[CONSOLE_FDS]);
void console_serve(struct console *console, const struct pollfd fds[CONSOLE_FDS]);

/* Whether something waits to be written. */
bool console_has_output(struct console *console);

/* No processor waits in it from now on. */
void console_close(struct console *console);

/* Whoever has the other ends of the streams sees that nobody is there any more. */
void console_hang_up(struct console *console);

#endif
