/* SPDX-License-Identifier: MIT */
/* The filter for devices: lines for the devices controller of version 1, or a BPF program for version 2. */
#ifndef LAUNCH_CGROUP_DEVICES_H
#define LAUNCH_CGROUP_DEVICES_H

#include <linux/bpf.h>

#include "launch/cgroup/cgroup.h"

/* Both with those of a container's own /dev before the caller's. */

/* Adds what is written to devices.deny and devices.allow. 0 or -ENOMEM with the error set. */
int devices_add_lines(struct cgroup_limits *limits, const struct cgroup_device *devices, size_t count);

/* The program, to be freed; NULL without memory. */
struct bpf_insn *devices_make_program(const struct cgroup_device *devices, size_t count, uint32_t *out_count);

#endif
