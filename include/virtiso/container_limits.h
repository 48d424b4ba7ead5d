/* SPDX-License-Identifier: MIT */
/**
 * @file container_limits.h
 * Limits of a container by control groups: of each command with all that it starts, or of the instance of viso_sandbox_start().
 *
 * Version 2 is used where the host has the controller there, else version 1. What the commands use: viso_process_usage(),
 * viso_result_usage().
 */
#ifndef VIRTISO_CONTAINER_LIMITS_H
#define VIRTISO_CONTAINER_LIMITS_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/container.h>

VISO_BEGIN_DECLS

/** A rate of viso_container_set_io_max(). */
typedef enum viso_io_rate {
	VISO_IO_READ_BYTES = 0,    /**< bytes read in a second */
	VISO_IO_WRITE_BYTES = 1,   /**< bytes written in a second */
	VISO_IO_READS = 2,         /**< read operations in a second */
	VISO_IO_WRITES = 3,        /**< write operations in a second */
	VISO_IO_ENUM_WIDTH_ = 0x7fffffff /**< not a rate; fixes the width of the type */
} viso_io_rate;

/**
 * Limit the memory of each command with all that it starts, by a control group. Without this call there is no limit.
 *
 * A program that uses more is ended with VISO_REASON_OUT_OF_MEMORY.
 *
 * @param container  a container that has not run anything
 * @param bytes      the limit in bytes, at least 1 MiB; 0 for none
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no memory controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_memory_max(viso_container *container, uint64_t bytes);

/**
 * Limit how many processes and threads each command may have at once, by a control group. Without this call there is no limit.
 *
 * A program that wants more gets EAGAIN from fork(2).
 *
 * @param container  a container that has not run anything
 * @param count      the limit; 0 for none
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no pids controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_processes_max(viso_container *container, uint64_t count);

/**
 * Slow the programs down and reclaim their memory above this, without ending them (version 2 only).
 *
 * @param container  a container that has not run anything
 * @param bytes      the bound in bytes; 0 for none
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no memory controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: Documentation/admin-guide/cgroup-v2.rst, memory.high
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_memory_high(viso_container *container, uint64_t bytes);

/**
 * Let the programs swap so many bytes out beside the memory limit. With a memory limit the default is none. Version 1 limits
 * memory and swap together, so there it takes viso_container_set_memory_max() as well.
 *
 * @param container  a container that has not run anything
 * @param bytes      the limit in bytes
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no memory controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: cgroup-v2.rst, memory.swap.max
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_swap_max(viso_container *container, uint64_t bytes);

/**
 * Limit the CPU time of all processes together: `quota_us` of every `period_us`. More than a period is more than one CPU.
 *
 * @param container  a container that has not run anything
 * @param quota_us   microseconds, at least 1000; 0 for no limit
 * @param period_us  microseconds, 1000 to 1000000; 0 for 100000
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no cpu controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: cgroup-v2.rst, cpu.max; sched-bwc.rst
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_cpu_max(viso_container *container, uint64_t quota_us, uint64_t period_us);

/**
 * Set the share of the CPU where it is scarce.
 *
 * @param container  a container that has not run anything
 * @param weight     1 to 10000; others have 100
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no cpu controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: cgroup-v2.rst, cpu.weight
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_cpu_weight(viso_container *container, unsigned weight);

/**
 * Choose the CPUs on which the programs may run.
 *
 * @param container  a container that has not run anything
 * @param cpus       a list such as "0-3,8"
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no cpuset controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: cgroup-v2.rst, cpuset.cpus
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_cpus(viso_container *container, const char *cpus);

/**
 * Choose the memory nodes from which the programs get memory.
 *
 * @param container  a container that has not run anything
 * @param nodes      a list such as "0"
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no cpuset controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: cgroup-v2.rst, cpuset.mems
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_memory_nodes(viso_container *container, const char *nodes);

/**
 * Limit input and output with a block device.
 *
 * @param container   a container that has not run anything
 * @param device      a block device such as "/dev/sda", or any file on one; a whole disk, since the kernel limits no partition
 * @param rate        what is limited
 * @param per_second  the limit; 0 for none
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -ENOTBLK, -ENOENT, -EACCES. A start fails with
 *         -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no io (blkio) controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: cgroup-v2.rst, io.max
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_io_max(viso_container *container, const char *device, viso_io_rate rate,
							   uint64_t per_second);

/**
 * Set the share of input and output where it is scarce.
 *
 * @param container  a container that has not run anything
 * @param weight     1 to 10000; others have 100
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no io (blkio) controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: cgroup-v2.rst, io.weight
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_io_weight(viso_container *container, unsigned weight);

/**
 * Limit huge pages of a size.
 *
 * @param container  a container that has not run anything
 * @param page_size  bytes, such as 2097152
 * @param bytes      the limit in bytes
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no hugetlb controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: cgroup-v2.rst, hugetlb
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_hugetlb_max(viso_container *container, uint64_t page_size, uint64_t bytes);

/**
 * Restrict the devices that programs can open to those of the container's own /dev and those allowed here, by a device filter
 * (version 1: devices controller, where the host has it; version 2: BPF, for root of the host only). Without this call the mounts
 * decide alone. A device that was opened before and handed in is not concerned.
 *
 * @param container  a container that has not run anything
 * @param type       'c', 'b', or 'a' for both
 * @param major      number, or -1 for any
 * @param minor      number, or -1 for any
 * @param access     of "r", "w" and "m" (mknod) those that are allowed
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no devices controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: cgroup-v2.rst, device controller
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_allow_device(viso_container *container, char type, int major, int minor,
							     const char *access);

/**
 * Write a value to a file of the container's version 2 group, for what has no call of its own. Applied last, in this order.
 *
 * @param container  a container that has not run anything
 * @param file       its name, such as "memory.low"; no slash
 * @param value      what is written
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -EPERM a file that is not a limit
 *         (cgroup.procs and its like). A start fails with -EOPNOTSUPP where there is no version 2 controller for it.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_cgroup_value(viso_container *container, const char *file, const char *value);

/**
 * Choose the control group below which that of the container is made. Without this call the library finds one: the nearest, from
 * the caller's own upwards, that hands the controllers down; or, where none does, that has no processes of its own and is the
 * caller's, as those that systemd delegates (Delegate=yes with DelegateSubgroup=, user slices), which is made to hand them down. The
 * host program itself is never moved. In version 1 the path is taken in the hierarchy of each controller that is needed.
 *
 * @param container  a container that has not run anything
 * @param path       from the root of the hierarchy, such as "/system.slice/judge.service"; no ".." in it
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -ENOENT or -EACCES and
 *         stage VISO_STAGE_CGROUP.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_cgroup_parent(viso_container *container, const char *path);

VISO_END_DECLS

#endif
