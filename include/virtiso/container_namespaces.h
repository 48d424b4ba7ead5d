/* SPDX-License-Identifier: MIT */
/**
 * @file container_namespaces.h
 * The namespaces of a container, its ids, names and kernel parameters. The defaults suit most: everything of its own.
 */
#ifndef VIRTISO_CONTAINER_NAMESPACES_H
#define VIRTISO_CONTAINER_NAMESPACES_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/container.h>

VISO_BEGIN_DECLS

/** The kinds of namespace that a container has; see namespaces(7). */
typedef enum viso_namespace {
	VISO_NAMESPACE_MOUNT = 0,   /**< mounts: always the container's own */
	VISO_NAMESPACE_PID = 1,     /**< processes */
	VISO_NAMESPACE_NETWORK = 2, /**< network interfaces, addresses, ports, abstract unix sockets */
	VISO_NAMESPACE_IPC = 3,     /**< System V IPC and POSIX message queues */
	VISO_NAMESPACE_UTS = 4,     /**< host name and domain name */
	VISO_NAMESPACE_USER = 5,    /**< user and group ids, capabilities */
	VISO_NAMESPACE_CGROUP = 6,  /**< the view of the control groups */
	VISO_NAMESPACE_TIME = 7,    /**< offsets of the monotonic and boot-time clocks */
	VISO_NAMESPACE_ENUM_WIDTH_ = 0x7fffffff /**< not a namespace; fixes the width of the type */
} viso_namespace;

/** Which ids viso_container_add_id_map() maps. */
typedef enum viso_id_kind {
	VISO_ID_USER = 1,  /**< user ids */
	VISO_ID_GROUP = 2, /**< group ids */
	VISO_ID_ENUM_WIDTH_ = 0x7fffffff /**< not a kind; fixes the width of the type */
} viso_id_kind;

/** The clocks that a time namespace moves. */
typedef enum viso_clock {
	VISO_CLOCK_MONOTONIC = 1, /**< CLOCK_MONOTONIC and its like */
	VISO_CLOCK_BOOTTIME = 7,  /**< CLOCK_BOOTTIME and its like */
	VISO_CLOCK_ENUM_WIDTH_ = 0x7fffffff /**< not a clock; fixes the width of the type */
} viso_clock;

/**
 * Set the host name that the container sees. The default is "container".
 *
 * @param container  a container that has not run anything
 * @param hostname   1 to 64 bytes
 * @return 0, or a negative errno: -EINVAL, -ENAMETOOLONG, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_hostname(viso_container *container, const char *hostname);

/**
 * Set the NIS domain name that the container sees. The default is none.
 *
 * @param container   a container that has not run anything
 * @param domainname  1 to 64 bytes
 * @return 0, or a negative errno: -EINVAL, -ENAMETOOLONG, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: setdomainname(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_domainname(viso_container *container, const char *domainname);

/**
 * Let the container have the host's namespace of a kind instead of one of its own.
 *
 * Of the kinds, the mount, process and user namespaces are always new, or joined. Sharing the network is
 * viso_container_set_network() with VISO_NETWORK_HOST, which this call does for VISO_NAMESPACE_NETWORK. Of this call and
 * viso_container_join_namespace() the last one for a kind counts. A start fails with -EINVAL and stage VISO_STAGE_NAMESPACE
 * where another setting is about a namespace that is not the container's own, such as a host name with a shared UTS namespace;
 * the error's object is that setting. The time namespace is the host's in any case but with viso_container_set_clock_offset().
 *
 * @param container  a container that has not run anything
 * @param kind       which
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD; -EOPNOTSUPP a kind that is always new.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_share_namespace(viso_container *container, viso_namespace kind);

/**
 * Let the container join an existing namespace instead of having a new one.
 *
 * What joining takes (setns(2)): capabilities in the user namespace that owns it, and in the caller's own. An ordinary user has
 * them in a user namespace that it made, and joins that as well. As which ids the command runs is then for the joined user
 * namespace to say: ids that it does not map fail at the start, with stage VISO_STAGE_CREDENTIALS. Standard output that is
 * captured can then be written to, but as root not opened anew by /dev/stdout.
 *
 * In a joined process namespace the container's processes are seen by the others, and see them. All that the command started
 * still ends with it, though its init is not the namespace's first process; where that one ends, the command is killed with
 * it. What it leaves in the background when somebody kills the library's own worker and not the host program is ended from
 * Linux 6.10 on.
 *
 * @param container  a container that has not run anything
 * @param kind       which
 * @param fd         a namespace file such as an open /proc/PID/ns/net; duplicated, so that the caller may
 *                   close it at once
 * @return 0, or a negative errno: -EINVAL also where `fd` is no namespace of that kind, or the caller's own user namespace,
 *         -EBADF, -EMFILE, -EBUSY, -ESTALE, -ECHILD, -EOPNOTSUPP the mount namespace, which is always new. A start fails with
 *         -EPERM and stage VISO_STAGE_NAMESPACE where the caller may not join it.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: setns(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_join_namespace(viso_container *container, viso_namespace kind, int fd);

/**
 * Map a range of ids of the container to ids outside. Several calls add up; without any, root has ids 0 to 65535 of the
 * container mapped to a range that is nobody else's, and an ordinary user the one id that the command runs as to the caller's
 * own.
 *
 * Where the root of the host is among the ids outside, what of /proc its id alone would open is read-only: /proc/sys, /proc/sysrq-trigger,
 * /proc/irq, /proc/bus and /proc/fs.
 *
 * Both kinds are to be mapped, or none. The ids that a command runs as must be among them: else a start fails with -EINVAL and
 * stage VISO_STAGE_CREDENTIALS. An ordinary user needs newuidmap(1) and newgidmap(1) in /usr/bin, and a range in /etc/subuid and
 * /etc/subgid, for more than its own id; then the command may have supplementary groups, too.
 *
 * @param container  a container that has not run anything
 * @param kind       user or group ids
 * @param inside     the first id in the container
 * @param outside    the first id outside, as the host program sees it
 * @param count      how many, at least 1
 * @return 0, or a negative errno: -EINVAL also where it overlaps with a range that was added before, or goes beyond the last
 *         id, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -E2BIG more than 32 ranges of a kind. A start fails with stage
 *         VISO_STAGE_USER_NAMESPACE: -EPERM where the caller may not use these ids (the message names the missing line of
 *         /etc/subuid), -ENOENT where newuidmap(1) is missing, -EINVAL where only one kind is mapped.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: user_namespaces(7), newuidmap(1), subuid(5)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_id_map(viso_container *container, viso_id_kind kind, unsigned inside, unsigned outside,
							   unsigned count);

/**
 * Move a clock of the container, by a time namespace of its own (Linux 5.6).
 *
 * @param container  a container that has not run anything
 * @param clock      which
 * @param offset_ns  nanoseconds to be added to the host's clock; the sum must not be negative
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_NAMESPACE where the kernel has no time namespaces, with -ERANGE where the clock would be negative.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: time_namespaces(7)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_clock_offset(viso_container *container, viso_clock clock, int64_t offset_ns);

/**
 * Set a kernel parameter of the container's own namespaces: "net.*" with a network namespace of its own, "fs.mqueue.*",
 * "kernel.sem", "kernel.shm*" and "kernel.msg*" with an IPC namespace of its own, and "user.max_*_namespaces". Others belong to
 * the host and are refused (CVE-2022-0811). The last value for a name counts; at most 256 names.
 *
 * Those that are not of the network belong to the container's root: an ordinary user runs the command as user 0, or maps that
 * id.
 *
 * @param container  a container that has not run anything
 * @param name       its name, such as "net.ipv4.ip_unprivileged_port_start"; a slash stands for a dot within a word
 * @param value      what is written to it, at most 4096 bytes
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD; -EPERM a parameter of the host. A start fails
 *         with stage VISO_STAGE_NAMESPACE: -ENOENT where the kernel has no such parameter, -EINVAL where it does not take the
 *         value, -EACCES, and -EPERM where the namespace is not the container's own.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: sysctl(8)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_sysctl(viso_container *container, const char *name, const char *value);

VISO_END_DECLS

#endif
