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
	int fd;        /* of a clone, that the guest of the snapshot had it open by; -1 else */
	bool is_taken; /* of a clone: the guest of the snapshot writes to it; it must be given another one */
	bool is_bound; /* and was */
	struct rate rates[THROTTLE_KINDS];
};

/* Of a clone that was not given one the fds are -1. */
struct port_setting {
	char *name;
	int fd;
};

struct network_setting {
	int fd;
	bool is_bound; /* of a clone: it was given it */
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
	char *vsock_path;   /* NULL for none */
	uint32_t vsock_cid; /* 0: there is no such device */
	viso_console console;
	unsigned disk_count, port_count, network_count, share_count;
};

/* For a clone: all but what binds it to the host. 0 or -ENOMEM. */
int device_settings_copy(struct device_settings *to, const struct device_settings *from);

/* The files of disks that a machine has open, for the clones of it. 0 or a negative errno with the error set. */
struct machine;
int device_settings_keep_disks(struct device_settings *settings, const struct machine *machine);

/* Before a clone is switched on again: what changed with its last computer must be given anew, the rest may. */
void device_settings_unbind(struct device_settings *settings);

bool device_settings_have_cd(const struct device_settings *settings);

/* A clone must not write where the guest of its snapshot does. 0, or -EINVAL with the error set. */
int device_settings_check_clone(struct device_settings *settings, const char *function);

/* In a forked child (`is_forked`) memory only. */
void device_settings_release(struct device_settings *settings, bool is_forked);

#endif
