/* SPDX-License-Identifier: MIT */
/*
 * Streams between guest and host (virtio 1.2, 5.3): ports with names, each of which is a stream socket on the host.
 * What the host does not read keeps a writer in the guest waiting, but for a console, whose driver waits with the
 * processor: what a full socket does not take is lost there.
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
 * Before it starts. NULL in place of a name: a console (hvc), which is port 0 and one at most. The fd, of a stream
 * socket, is the device's from now on, also on failure. 0, -EINVAL the name cannot be, -ENOTSOCK, -ENOSPC, -EEXIST.
 */
int virtio_console_add(struct virtio *virtio, const char *name, int fd);

/*
 * Before it starts: the eventfd is written to whenever nobody in the guest has the port of this name open any more. It
 * is the device's from now on, also on failure. 0 or -ENOENT.
 */
int virtio_console_watch(struct virtio *virtio, const char *name, int closed_fd);

#endif
