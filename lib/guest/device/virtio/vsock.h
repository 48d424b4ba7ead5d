/* SPDX-License-Identifier: MIT */
/*
 * Sockets between guest and host (virtio 1.2, 5.10), which are unix stream sockets on the host's side. Below a path:
 *
 * - what the guest connects to port P of the host (CID 2) goes to the socket PATH_P;
 * - who connects to PATH and says "CONNECT P\n" is connected to port P of the guest, and hears "OK N\n", where N is the
 *   port that the guest sees; or an end where nobody listens. Firecracker documents this convention.
 */
#ifndef GUEST_DEVICE_VIRTIO_VSOCK_H
#define GUEST_DEVICE_VIRTIO_VSOCK_H

#include "guest/device/virtio/virtio.h"

enum {
	VSOCK_PATH_MAX = 96, /* with the port and its line it fits into a struct sockaddr_un */
	VSOCK_CID_MIN = 3,   /* below are the hypervisor, the machine itself, and the host */
	VSOCK_CONNECTIONS_MAX = 128,
};

/*
 * `listener` is a listening unix socket, the device's from now on, also on failure; -1 for none. `path` is for what the
 * guest connects; NULL for none. 0 or a negative errno.
 */
int virtio_vsock_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, uint32_t cid,
		     const char *path, int listener, struct virtio **out);

#endif
