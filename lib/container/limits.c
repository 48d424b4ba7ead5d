/* SPDX-License-Identifier: MIT */
/* The setters; how the settings become files of control groups is in limits_add.c. */
#include "container/limits.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"

enum {
	MEMORY_LEAST = 1 << 20,
	WEIGHT_MOST = 10000,
	QUOTA_LEAST_US = 1000, /* kernel/sched/core.c: min_cfs_quota_period, max_cfs_quota_period */
	PERIOD_MOST_US = 1000000,
	PERIOD_US = 100000,
	LIST_MOST = 4096, /* characters; the kernel takes a page */
	DEVICES_MOST = 256,
};

int viso_container_set_memory_max(viso_container *container, uint64_t bytes)
{
	return sandbox_set_memory_max(container ? &container->sandbox : NULL, bytes, bytes ? MEMORY_LEAST : 0,
				      __func__);
}

int viso_container_set_processes_max(viso_container *container, uint64_t count)
{
	return sandbox_set_processes_max(container ? &container->sandbox : NULL, count, __func__);
}

int viso_container_set_memory_high(viso_container *container, uint64_t bytes)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (bytes > INT64_MAX)
		return error_argument(__func__, "more bytes than any memory");
	container->limits.memory_high = bytes;
	container->limits.any = true;
	return 0;
}

int viso_container_set_swap_max(viso_container *container, uint64_t bytes)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (bytes > INT64_MAX)
		return error_argument(__func__, "more bytes than any memory");
	container->limits.swap_max = bytes;
	container->limits.has_swap_max = container->limits.any = true;
	return 0;
}

int viso_container_set_cpu_max(viso_container *container, uint64_t quota_us, uint64_t period_us)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (quota_us && (quota_us < QUOTA_LEAST_US || quota_us > INT64_MAX / 1000))
		return error_argument(__func__, "the quota is 1000 microseconds or more, or 0 for none");
	if (period_us && (period_us < QUOTA_LEAST_US || period_us > PERIOD_MOST_US))
		return error_argument(__func__, "the period is 1000 to 1000000 microseconds, or 0 for 100000");
	container->limits.cpu_quota_us = quota_us;
	container->limits.cpu_period_us = period_us ? period_us : PERIOD_US;
	container->limits.any = true;
	return 0;
}

static int set_weight(viso_container *container, unsigned *member, unsigned weight, const char *function)
{
	int r = container_check_setter(container, function);
	if (r < 0)
		return r;
	if (weight < 1 || weight > WEIGHT_MOST)
		return error_argument(function, "a weight is a number from 1 to 10000");
	*member = weight;
	container->limits.any = true;
	return 0;
}

int viso_container_set_cpu_weight(viso_container *container, unsigned weight)
{
	return set_weight(container, container ? &container->limits.cpu_weight : NULL, weight, __func__);
}

int viso_container_set_io_weight(viso_container *container, unsigned weight)
{
	return set_weight(container, container ? &container->limits.io_weight : NULL, weight, __func__);
}

/* "0-3,8": numbers and ranges that rise (cpuset(7), "List format"). */
static bool is_list(const char *list)
{
	if (strlen(list) > LIST_MOST)
		return false;
	for (const char *next = list;; next++) {
		char *end;
		if (!isdigit((unsigned char)*next))
			return false;
		unsigned long first = strtoul(next, &end, 10), last = first;
		if (*end == '-') {
			next = end + 1;
			if (!isdigit((unsigned char)*next))
				return false;
			last = strtoul(next, &end, 10);
		}
		if (last < first || last > UINT16_MAX)
			return false;
		if (*end == '\0')
			return true;
		if (*end != ',')
			return false;
		next = end;
	}
}

static int set_string(viso_container *container, char **member, const char *value)
{
	char *copy = strdup(value);
	if (!copy)
		return error_memory();
	free(*member);
	*member = copy;
	container->limits.any = true;
	return 0;
}

static int set_list(viso_container *container, char **member, const char *list, const char *function)
{
	int r = container_check_setter(container, function);
	if (r < 0)
		return r;
	if (!list || !is_list(list))
		return error_argument(function, "a list of numbers and ranges is needed, such as \"0-3,8\"");
	return set_string(container, member, list);
}

int viso_container_set_cpus(viso_container *container, const char *cpus)
{
	return set_list(container, container ? &container->limits.cpus : NULL, cpus, __func__);
}

int viso_container_set_memory_nodes(viso_container *container, const char *nodes)
{
	return set_list(container, container ? &container->limits.memory_nodes : NULL, nodes, __func__);
}

/* Room for one more of `size` bytes; NULL, with the error set, without memory. */
static void *grow(void *array_pointer, size_t count, size_t size)
{
	void **array = array_pointer;
	void *grown = realloc(*array, (count + 1) * size);
	if (!grown) {
		error_memory();
		return NULL;
	}
	*array = grown;
	return memset((char *)grown + count * size, 0, size);
}

/* The whole disk, where that is what the kernel counts: it is left to the kernel to refuse a partition. */
static int device_of(const char *path, const char *function, unsigned *out_major, unsigned *out_minor)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, path, NULL);
	dev_t device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	if (major(device) == 0 || S_ISCHR(st.st_mode))
		return error_fail(VISO_STAGE_ARGUMENT, ENOTBLK, path,
				  "%s: %s is neither a block device nor a file on one", function, path);
	*out_major = major(device);
	*out_minor = minor(device);
	return 0;
}

int limits_set_io_max(struct container_limits *limits, unsigned major_number, unsigned minor_number, viso_io_rate rate,
		      uint64_t per_second)
{
	struct io_limit *limit = limits->io, *end = limits->io + limits->io_count;
	while (limit < end &&
	       !(limit->major == major_number && limit->minor == minor_number && limit->rate == (unsigned)rate))
		limit++;
	if (limit == end) {
		limit = grow(&limits->io, limits->io_count, sizeof(*limit));
		if (!limit)
			return -ENOMEM;
		limits->io_count++;
	}
	*limit = (struct io_limit){major_number, minor_number, (unsigned)rate, per_second};
	limits->any = true;
	return 0;
}

int viso_container_set_io_max(viso_container *container, const char *device, viso_io_rate rate, uint64_t per_second)
{
	unsigned major_number = 0, minor_number = 0;
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!device || (unsigned)rate > VISO_IO_WRITES)
		return error_argument(__func__, "the device is NULL or there is no such rate");
	r = device_of(device, __func__, &major_number, &minor_number);
	return r < 0 ? r : limits_set_io_max(&container->limits, major_number, minor_number, rate, per_second);
}

int viso_container_set_hugetlb_max(viso_container *container, uint64_t page_size, uint64_t bytes)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (page_size < 4096 || (page_size & (page_size - 1)) || bytes > INT64_MAX)
		return error_argument(__func__, "the size of a page is a power of two, such as 2097152");
	struct hugetlb_limit *limit = grow(&container->limits.hugetlb, container->limits.hugetlb_count, sizeof(*limit));
	if (!limit)
		return -ENOMEM;
	container->limits.hugetlb_count++;
	*limit = (struct hugetlb_limit){page_size, bytes};
	container->limits.any = true;
	return 0;
}

/* Of "r", "w" and "m"; 0 where there is another letter, or none. */
static unsigned access_of(const char *text)
{
	unsigned access = 0;
	for (; text && *text; text++)
		switch (*text) {
		case 'r':
			access |= BPF_DEVCG_ACC_READ;
			break;
		case 'w':
			access |= BPF_DEVCG_ACC_WRITE;
			break;
		case 'm':
			access |= BPF_DEVCG_ACC_MKNOD;
			break;
		default:
			return 0;
		}
	return access;
}

int viso_container_allow_device(viso_container *container, char type, int major, int minor, const char *access)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!type || !strchr("abc", type))
		return error_argument(__func__, "a type is 'c', 'b', or 'a' for both");
	if (major < -1 || major >= 1 << 12 || minor < -1 || minor >= 1 << 20)
		return error_argument(__func__, "no such device number; -1 is any");
	if (!access_of(access))
		return error_argument(__func__, "access is made of \"r\", \"w\" and \"m\"");
	struct container_limits *limits = &container->limits;
	if (limits->device_count == DEVICES_MOST)
		return error_argument(__func__, "more than 256 rules");
	struct cgroup_device *device = grow(&limits->devices, limits->device_count, sizeof(*device));
	if (!device)
		return -ENOMEM;
	limits->device_count++;
	*device = (struct cgroup_device){type, major, minor, access_of(access)};
	limits->any = true;
	return 0;
}

/* Of the files of the core only these are limits (cgroup-v2.rst, "Core Interface Files"). */
static bool is_limit(const char *file)
{
	static const char *const of_core[] = {"cgroup.max.depth", "cgroup.max.descendants", "cgroup.pressure"};
	const char *dot = strchr(file, '.');
	for (size_t i = 0; i < sizeof(of_core) / sizeof(of_core[0]); i++)
		if (!strcmp(file, of_core[i]))
			return true;
	/* Those of PSI are triggers of whoever holds them open; the other one does something at once. */
	return strncmp(file, "cgroup.", 7) && strcmp(dot, ".pressure") && strcmp(file, "memory.reclaim");
}

int viso_container_set_cgroup_value(viso_container *container, const char *file, const char *value)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!file || !value || !isalpha((unsigned char)*file) || !strchr(file, '.') || strchr(file, '/') ||
	    strlen(file) > 60 || strlen(value) > LIST_MOST)
		return error_argument(__func__, "the name of a file such as \"memory.low\", and a value, are needed");
	if (!is_limit(file))
		return error_fail(VISO_STAGE_ARGUMENT, EPERM, file, "%s: %s is not a limit", __func__, file);
	_cleanup_free_ char *file_copy = strdup(file);
	_cleanup_free_ char *value_copy = strdup(value);
	if (!file_copy || !value_copy)
		return error_memory();
	struct container_limits *limits = &container->limits;
	struct group_value *added = grow(&limits->values, limits->value_count, sizeof(*added));
	if (!added)
		return -ENOMEM;
	limits->value_count++;
	*added = (struct group_value){TAKE_PTR(file_copy), TAKE_PTR(value_copy)};
	limits->any = true;
	return 0;
}

/* ".." would lead out of what the caller means, and out of the hierarchy. */
static bool has_dot_dot(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (!strncmp(part, "..", 2) && (part[2] == '/' || part[2] == '\0'))
			return true;
	}
	return false;
}

int viso_container_set_cgroup_parent(viso_container *container, const char *path)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!path || *path != '/' || has_dot_dot(path) || strlen(path) >= PLAN_CGROUP_PATH_MAX)
		return error_argument(__func__, "a path from the root of the hierarchy is needed, without \"..\"");
	return set_string(container, &container->limits.parent, path);
}

void limits_release(struct container_limits *limits)
{
	free(limits->cpus);
	free(limits->memory_nodes);
	free(limits->parent);
	free(limits->io);
	free(limits->hugetlb);
	free(limits->devices);
	for (size_t i = 0; i < limits->value_count; i++) {
		free(limits->values[i].file);
		free(limits->values[i].value);
	}
	free(limits->values);
}
