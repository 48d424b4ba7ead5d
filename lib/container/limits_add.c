/* SPDX-License-Identifier: MIT */
/* How the settings become files of control groups: cgroup-v2.rst, and cgroup-v1/ for hosts that have only that. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "core/error.h"

/* Swap beside the memory limit. Version 1 limits only the sum of both. */
static int add_swap(struct cgroup_limits *limits, const viso_container *container)
{
	const struct container_limits *settings = &container->limits;
	if (!settings->has_swap_max)
		return 0;
	if (!container->sandbox.memory_max)
		return cgroup_limits_add_number(limits, "memory", 0, NULL, "memory.swap.max", settings->swap_max);
	uint64_t sum = container->sandbox.memory_max + settings->swap_max;
	for (size_t i = 0; i < limits->count; i++) {
		struct cgroup_limit *limit = &limits->items[i];
		if (strcmp(limit->version[1].file, "memory.swap.max"))
			continue;
		char *swap = NULL, *both = NULL;
		if (asprintf(&swap, "%llu", (unsigned long long)settings->swap_max) < 0 ||
		    asprintf(&both, "%llu", (unsigned long long)sum) < 0) {
			free(swap);
			return error_memory();
		}
		free(limit->version[0].value);
		free(limit->version[1].value);
		limit->version[0].value = both;
		limit->version[1].value = swap;
		limit->flags = 0;
	}
	return 0;
}

static int add_memory(struct cgroup_limits *limits, const viso_container *container)
{
	int r = add_swap(limits, container);
	if (r == 0 && container->limits.memory_high)
		r = cgroup_limits_add_number(limits, "memory", 0, NULL, "memory.high", container->limits.memory_high);
	return r;
}

/* In version 2 both are one file. */
static int add_cpu_max(struct cgroup_limits *limits, const struct container_limits *settings)
{
	char both[64], period[24];
	snprintf(both, sizeof(both), "%llu %llu", (unsigned long long)settings->cpu_quota_us,
		 (unsigned long long)settings->cpu_period_us);
	snprintf(period, sizeof(period), "%llu", (unsigned long long)settings->cpu_period_us);
	int r = cgroup_limits_add(limits, "cpu", 0, "cpu.cfs_period_us", period, "cpu.max", both);
	return r < 0 ? r
		     : cgroup_limits_add_number(limits, "cpu", PLAN_WRITE_OPTIONAL, "cpu.cfs_quota_us", NULL,
						settings->cpu_quota_us);
}

/* Weights of 1 to 10000 around 100 are shares of 2 to 262144 around 1024. */
static int add_cpu_weight(struct cgroup_limits *limits, unsigned weight)
{
	char two[16], one[24];
	uint64_t shares = (uint64_t)weight * 1024 / 100;
	snprintf(two, sizeof(two), "%u", weight);
	snprintf(one, sizeof(one), "%llu", (unsigned long long)(shares < 2 ? 2 : shares));
	return cgroup_limits_add(limits, "cpu", 0, "cpu.shares", one, "cpu.weight", two);
}

static int add_cpu(struct cgroup_limits *limits, const struct container_limits *settings)
{
	int r = settings->cpu_quota_us ? add_cpu_max(limits, settings) : 0;
	if (r == 0 && settings->cpu_weight)
		r = add_cpu_weight(limits, settings->cpu_weight);
	if (r == 0 && settings->cpus)
		r = cgroup_limits_add(limits, "cpuset", 0, "cpuset.cpus", settings->cpus, "cpuset.cpus",
				      settings->cpus);
	if (r == 0 && settings->memory_nodes)
		r = cgroup_limits_add(limits, "cpuset", 0, "cpuset.mems", settings->memory_nodes, "cpuset.mems",
				      settings->memory_nodes);
	return r;
}

static int add_io_max(struct cgroup_limits *limits, const struct io_limit *limit)
{
	static const struct {
		const char *one;
		const char *two;
	} names[] = {
		[VISO_IO_READ_BYTES] = {"blkio.throttle.read_bps_device", "rbps"},
		[VISO_IO_WRITE_BYTES] = {"blkio.throttle.write_bps_device", "wbps"},
		[VISO_IO_READS] = {"blkio.throttle.read_iops_device", "riops"},
		[VISO_IO_WRITES] = {"blkio.throttle.write_iops_device", "wiops"},
	};
	char one[96], two[96];
	snprintf(one, sizeof(one), "%u:%u %llu", limit->major, limit->minor, (unsigned long long)limit->per_second);
	snprintf(two, sizeof(two), "%u:%u %s=%llu", limit->major, limit->minor, names[limit->rate].two,
		 (unsigned long long)limit->per_second);
	return cgroup_limits_add(limits, "io", 0, names[limit->rate].one, one, "io.max", two);
}

/* By the cost model, or the BFQ scheduler, whose weights end at 1000: whichever the kernel has. */
static int add_io_weight(struct cgroup_limits *limits, unsigned weight)
{
	unsigned bfq = weight < 1000 ? weight : 1000;
	int r = cgroup_limits_add_number(limits, "io", PLAN_WRITE_OR_NEXT, "blkio.bfq.weight", "io.bfq.weight", bfq);
	return r < 0 ? r : cgroup_limits_add_number(limits, "io", 0, "blkio.weight", "io.weight", weight);
}

static int add_io(struct cgroup_limits *limits, const struct container_limits *settings)
{
	int r = settings->io_weight ? add_io_weight(limits, settings->io_weight) : 0;
	for (size_t i = 0; i < settings->io_count && r == 0; i++)
		if (settings->io[i].per_second)
			r = add_io_max(limits, &settings->io[i]);
	return r;
}

/* The files are named by size: hugetlb.2MB.max (mm/hugetlb_cgroup.c, mem_fmt()). */
static int add_hugetlb(struct cgroup_limits *limits, const struct hugetlb_limit *limit)
{
	static const char *const units[] = {"KB", "MB", "GB"};
	char one[64], two[64];
	uint64_t size = limit->page_size >> 10;
	int unit = 0;
	for (; unit < 2 && size >= 1024; unit++)
		size >>= 10;
	snprintf(one, sizeof(one), "hugetlb.%llu%s.limit_in_bytes", (unsigned long long)size, units[unit]);
	snprintf(two, sizeof(two), "hugetlb.%llu%s.max", (unsigned long long)size, units[unit]);
	return cgroup_limits_add_number(limits, "hugetlb", 0, one, two, limit->bytes);
}

/* The controller is the first part of the file's name; the core needs none. */
static int add_value(struct cgroup_limits *limits, const struct group_value *value)
{
	static const char *const known[] = {"memory", "pids", "cpu", "cpuset", "io", "hugetlb", "rdma", "misc", "dmem"};
	size_t length = strcspn(value->file, ".");
	if (!strncmp(value->file, "cgroup.", 7))
		return cgroup_limits_add(limits, NULL, 0, NULL, NULL, value->file, value->value);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (length == strlen(known[i]) && !strncmp(value->file, known[i], length))
			return cgroup_limits_add(limits, known[i], 0, NULL, NULL, value->file, value->value);
	return error_fail(VISO_STAGE_CGROUP, EOPNOTSUPP, value->file, "%s: no controller of version 2 has such a file",
			  value->file);
}

int limits_add(struct launch_request *request, const viso_container *container)
{
	const struct container_limits *settings = &container->limits;
	struct cgroup_limits *limits = &request->limits;
	if (!settings->any)
		return request->error;
	request->wants_freezer = true;
	request->cgroup_parent = settings->parent;
	request->filters_devices = settings->device_count > 0;
	request->devices = settings->devices;
	request->device_count = settings->device_count;
	int r = add_memory(limits, container);
	if (r == 0)
		r = add_cpu(limits, settings);
	if (r == 0)
		r = add_io(limits, settings);
	for (size_t i = 0; i < settings->hugetlb_count && r == 0; i++)
		r = add_hugetlb(limits, &settings->hugetlb[i]);
	for (size_t i = 0; i < settings->value_count && r == 0; i++)
		r = add_value(limits, &settings->values[i]);
	return r < 0 ? r : request->error;
}
