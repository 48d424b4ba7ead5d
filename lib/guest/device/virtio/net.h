/* SPDX-License-Identifier: MIT */
/*
 * A network interface (virtio 1.2, 5.1). Behind it is a fd of one of these kinds, by what it is:
 *
 * - a tap device (Documentation/networking/tuntap.rst), with offloads where it has IFF_VNET_HDR;
 * - a stream socket with frames, each behind its length in 4 bytes, big-endian, as passt(1) and QEMU speak;
 * - a datagram or packet socket with a frame in each.
 */
#ifndef GUEST_DEVICE_VIRTIO_NET_H
#define GUEST_DEVICE_VIRTIO_NET_H

#include "guest/device/throttle.h"
#include "guest/device/virtio/virtio.h"

enum { NET_MAC_SIZE = 6 };

/*
 * The fd is the device's from now on, also on failure. A tap is set non-blocking and gets the guest's offloads. -1:
 * nothing is behind it, the cable is out. `rates` are those of each direction. 0 or a negative errno: -EINVAL the fd is
 * none of those kinds.
 */
int virtio_net_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, int fd,
		   const uint8_t mac[NET_MAC_SIZE], const struct rate rates[THROTTLE_KINDS], struct virtio **out);

/* Of frames. */
const struct traffic *virtio_net_traffic(const struct virtio *virtio);

#endif
