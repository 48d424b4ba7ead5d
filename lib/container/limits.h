/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: limits by control groups. */
#ifndef CONTAINER_LIMITS_H
#define CONTAINER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <virtiso/container.h>

#include "launch/request.h"

/* A limit of one block device. */
struct io_limit {
	unsigned major;
	unsigned minor;
	unsigned rate; /* viso_io_rate */
	uint64_t per_second;
};

struct hugetlb_limit {
	uint64_t page_size;
	uint64_t bytes;
};

struct group_value {
	char *file;
	char *value;
};

struct container_limits {
	bool any; /* is set beyond what every sandbox has */
	uint64_t memory_high;
	bool has_swap_max;
	uint64_t swap_max;
	uint64_t cpu_quota_us;
	uint64_t cpu_period_us;
	unsigned cpu_weight; /* 0: not set */
	unsigned io_weight;
	char *cpus; /* NULL: not set */
	char *memory_nodes;
	char *parent;
	struct io_limit *io;
	size_t io_count;
	struct hugetlb_limit *hugetlb;
	size_t hugetlb_count;
	struct cgroup_device *devices;
	size_t device_count;
	struct group_value *values;
	size_t value_count;
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int limits_add(struct launch_request *request, const viso_container *container);

/* A limit of a device by its numbers. 0 or a negative errno with the error set. */
int limits_set_io_max(struct container_limits *limits, unsigned major_number, unsigned minor_number, viso_io_rate rate,
		      uint64_t per_second);

void limits_release(struct container_limits *limits);

#endif
