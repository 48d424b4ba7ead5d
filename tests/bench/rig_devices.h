/* SPDX-License-Identifier: MIT */
/* What the two sides of bench-rig-devices agree upon. */
#ifndef RIG_DEVICES_H
#define RIG_DEVICES_H

#define RIG_MODULES "virtio_ring", "virtio", "virtio_mmio", "virtio_blk", "failover", "net_failover", "virtio_net"
#define RIG_PART "rig_part" /* of the kernel's command line, which gives it to the first program */
#define RIG_HOST_ADDRESS "10.9.8.1"
#define RIG_GUEST_ADDRESS "10.9.8.2"

enum {
	RIG_MARK = 0x80,
	RIG_DISK = 64 << 20,
	RIG_SMALL_COUNT = 1000,
	RIG_LARGE_COUNT = 40,
	RIG_NET_BYTES = 16 << 20,
	RIG_PORT = 5000,
};

#endif
