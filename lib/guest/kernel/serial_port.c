/* SPDX-License-Identifier: MIT */
#include "guest/kernel/serial_port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/device/loop.h"
#include "guest/device/serial.h"
#include "guest/kernel/layout.h"

/* A host that reads nothing holds the guest up for so long, once; then what does not fit is lost, until it reads again.
 */
enum { PATIENCE_MS = 1000 };

struct port {
	struct serial serial;
	struct loop loop;
	int handler;
	int fd;
	atomic_bool is_stuck; /* of all processors, which may send at the same time */

	pthread_mutex_t lock; /* guards what follows */
	bool is_waiting;      /* for the guest to read */
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void send_byte(void *data, uint8_t byte)
{
	struct port *port = data;
	int64_t until = now_ms() + (port->is_stuck ? 0 : PATIENCE_MS);
	for (;;) {
		struct pollfd ready = {.fd = port->fd, .events = POLLOUT};
		ssize_t n = send(port->fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		int64_t left = until - now_ms();
		port->is_stuck = n < 0 && left <= 0;
		if (n == 1 || (errno != EAGAIN && errno != EINTR) || left <= 0)
			return;
		poll(&ready, 1, (int)left);
	}
}

static void has_room(void *data)
{
	struct port *port = data;
	pthread_mutex_lock(&port->lock);
	if (port->is_waiting)
		(void)loop_watch(&port->loop, port->handler, 0, port->fd, EPOLLIN);
	port->is_waiting = false;
	pthread_mutex_unlock(&port->lock);
}

static void receive(void *data, uint64_t number, uint32_t events)
{
	struct port *port = data;
	uint8_t bytes[SERIAL_FIFO];
	pthread_mutex_lock(&port->lock);
	size_t room = serial_room(&port->serial);
	ssize_t n = room ? recv(port->fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes), MSG_DONTWAIT) : -1;
	if (room && (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)))
		loop_forget(&port->loop, port->fd);
	port->is_waiting = !room;
	if (!room)
		(void)loop_watch(&port->loop, port->handler, 0, port->fd, 0);
	pthread_mutex_unlock(&port->lock);
	if (n > 0)
		serial_receive(&port->serial, bytes, (size_t)n);
}

static int fail(int r)
{
	return error_fail(VISO_STAGE_GUEST, -r, "serial port", NULL);
}

static int start(void *device)
{
	struct port *port = device;
	int r = loop_start(&port->loop);
	return r < 0 ? fail(r) : 0;
}

static void pause_port(void *device)
{
	struct port *port = device;
	loop_pause(&port->loop);
}

static void resume_port(void *device)
{
	struct port *port = device;
	loop_resume(&port->loop);
}

static void stop(void *device)
{
	struct port *port = device;
	loop_stop(&port->loop);
	/* Whoever is at the other end sees that nothing comes any more. */
	port->fd = close_fd(port->fd);
}

static int save(void *device, struct state_writer *out)
{
	struct port *port = device;
	serial_save(&port->serial, out);
	return 0;
}

static int load(void *device, struct state_reader *in)
{
	struct port *port = device;
	return serial_load(&port->serial, in);
}

static void release(void *device, bool is_forked)
{
	struct port *port = device;
	if (!is_forked)
		loop_release(&port->loop);
	close_fd(is_forked ? -1 : port->fd);
	serial_release(&port->serial);
	pthread_mutex_destroy(&port->lock);
	free(port);
}

/* 0 or a negative errno, with nothing to release then. */
static int open_port(struct port *port, int fd)
{
	port->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (port->fd < 0)
		return -errno;
	loop_init(&port->loop);
	port->handler = loop_add(&port->loop, receive, port);
	int r = loop_watch(&port->loop, port->handler, 0, port->fd, EPOLLIN);
	if (r < 0) {
		loop_release(&port->loop);
		close_fd(port->fd);
	}
	return r;
}

int serial_port_add(struct machine *machine, int fd)
{
	static const struct machine_device_ops ops = {
		.start = start,
		.pause = pause_port,
		.resume = resume_port,
		.stop = stop,
		.save = save,
		.load = load,
		.release = release,
	};
	struct port *port = calloc(1, sizeof(*port));
	if (!port)
		return error_memory();
	int r = open_port(port, fd);
	if (r < 0) {
		free(port);
		return fail(r);
	}
	pthread_mutex_init(&port->lock, NULL);
	serial_init(&port->serial, machine_interrupt(machine, LAYOUT_SERIAL2_LINE),
		    (struct serial_line){.send = send_byte, .has_room = has_room, .data = port});
	r = machine_add_device(machine, &ops, port);
	return r < 0 ? r : machine_add_ports(machine, LAYOUT_SERIAL2, SERIAL_PORTS, &serial_ops, &port->serial);
}
