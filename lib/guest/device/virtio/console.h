/* SPDX-License-Identifier: MIT */
/*
 * Streams between guest and host (virtio 1.2, 5.3): ports with names, each of which is a stream socket on the host, and
 * a console (hvc0), which is a line. What the host does not read keeps a writer in the guest waiting.
 */
#ifndef GUEST_DEVICE_VIRTIO_CONSOLE_H
#define GUEST_DEVICE_VIRTIO_CONSOLE_H

#include "guest/device/virtio/virtio.h"

enum { CONSOLE_PORTS_MAX = 8, CONSOLE_NAME_MAX = 64 };

/* A device without ports. 0 or a negative errno. */
int virtio_console_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, struct virtio **out);

/* Whether a port can have this name: it becomes a line in the guest's sysfs. */
bool virtio_console_is_name(const char *name);

/*
 * Before it starts. The fd, of a stream socket, is the device's from now on, also on failure. 0, -EINVAL the name
 * cannot be, -ENOTSOCK, -ENOSPC, -EEXIST.
 */
int virtio_console_add(struct virtio *virtio, const char *name, int fd);

/*
 * Before it starts: the eventfd is written to whenever nobody in the guest has the port of this name open any more. It
 * is the device's from now on, also on failure. 0 or -ENOENT.
 */
int virtio_console_watch(struct virtio *virtio, const char *name, int closed_fd);

/* The other end of a console. Its functions are called with the device's lock, and must not call the device. */
struct console_line {
	/* How many of the bytes were taken; where that are not all, virtio_console_resume() is called later. */
	size_t (*send)(void *data, const void *bytes, size_t size);
	/* The guest has made room for input. */
	void (*has_room)(void *data);
	void *data;
	uint16_t columns, rows; /* of its window; 0: none is known */
};

/* Before it starts: the console, which is port 0. */
void virtio_console_set_line(struct virtio *virtio, const struct console_line *line);

/* It is to go on from one that may have had a window, whether this one has one or not. */
void virtio_console_offer_window(struct virtio *virtio);

/* For the other end, from any thread: how many bytes the guest can be sent now, and sending them; how many it took. */
size_t virtio_console_room(struct virtio *virtio);
size_t virtio_console_receive(struct virtio *virtio, const void *bytes, size_t size);

/* The line takes more. */
void virtio_console_resume(struct virtio *virtio);

#endif
