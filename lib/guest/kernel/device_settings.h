/* SPDX-License-Identifier: MIT */
/* Which devices of a computer were asked for, before there is one. */
#ifndef GUEST_KERNEL_DEVICE_SETTINGS_H
#define GUEST_KERNEL_DEVICE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <virtiso/guest_devices.h>
#include <virtiso/guest_kernel.h>

#include "guest/device/throttle.h"

enum {
	DEVICE_DISKS_MAX = 8,
	DEVICE_PORTS_MAX = 6,
	DEVICE_NETWORKS_MAX = 4,
	DEVICE_SHARES_MAX = 2,
	DEVICE_MAC_SIZE = 6
};

struct disk_setting {
	char *path; /* absolute */
	unsigned flags;
	struct rate rates[THROTTLE_KINDS];
};

struct port_setting {
	char *name;
	int fd;
};

struct network_setting {
	int fd;
	uint8_t mac[DEVICE_MAC_SIZE];
	struct rate rates[THROTTLE_KINDS];
};

struct share_setting {
	char *path; /* absolute */
	char *tag;
	bool is_writable;
	unsigned flags; /* of viso_share_flags */
};

struct device_settings {
	struct disk_setting disks[DEVICE_DISKS_MAX];
	struct port_setting ports[DEVICE_PORTS_MAX];
	struct network_setting networks[DEVICE_NETWORKS_MAX];
	struct share_setting shares[DEVICE_SHARES_MAX];
	char *vsock_path; /* NULL for none */
	uint32_t vsock_cid;
	viso_console console;
	unsigned disk_count, port_count, network_count, share_count;
};

/* In a forked child (`is_forked`) memory only. */
void device_settings_release(struct device_settings *settings, bool is_forked);

#endif
