/* SPDX-License-Identifier: MIT */
/**
 * @file container.h
 * A container: namespaces of its own for mounts, processes, IPC, host name, network, control groups and users, on the host's
 * kernel. It needs no privilege where the host allows user namespaces to ordinary users.
 *
 * Inside: the root, read-only; /proc; /dev with the usual nodes; an empty /tmp in memory; a loopback interface; no
 * capabilities; a default seccomp profile. What the root itself has below /dev, /proc and /tmp is hidden. Files in /tmp count
 * as memory of the command.
 */
#ifndef VIRTISO_CONTAINER_H
#define VIRTISO_CONTAINER_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/root.h>
#include <virtiso/sandbox.h>

VISO_BEGIN_DECLS

/** A container; opaque, reference counted. */
typedef struct viso_container viso_container;

/**
 * Make a container with the default settings. Nothing is started yet.
 *
 * @return a new container, owned by the caller; NULL with ENOMEM.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT viso_container *viso_container_new(void);

/**
 * Take one more reference.
 *
 * @param container  a container, or NULL
 * @return `container`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_container *viso_container_ref(viso_container *container);

/**
 * Give one reference back; the last one closes the container as viso_sandbox_close() does and frees it.
 *
 * @param container  a container, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_container *viso_container_unref(viso_container *container);

/**
 * The view through which commands run in the container.
 *
 * @param container  a container
 * @return the sandbox, borrowed, valid as long as the container; NULL with EINVAL where `container` is NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_sandbox *viso_container_sandbox(viso_container *container);

/**
 * Set the root file system. The container takes a reference of its own.
 *
 * @param container  a container that has not run anything
 * @param root       the root; shared with other sandboxes at will
 * @return 0, or a negative errno: -EINVAL, -EBUSY it has run something already, -ESTALE it is closed, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_root(viso_container *container, viso_root *root);

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
 * Choose what the container can reach by network. The default is VISO_NETWORK_NONE: a network namespace with a loopback
 * interface.
 *
 * @param container    a container that has not run anything
 * @param network      what it can reach
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_network(viso_container *container, viso_network network);

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
 * Let the program have a capability, confined to the container's user namespace. By default it has none.
 *
 * The program gets it as a permitted, effective, inheritable and ambient capability, so that it holds for any uid. With
 * "sys_admin" it can make its own mounts, and the root writable: what the modes and the mapped ids allow, it can change there.
 *
 * @param container   a container that has not run anything
 * @param capability  its name, with or without "CAP_", in any case: "net_bind_service"
 * @return 0, or a negative errno: -EINVAL no such capability, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 * See: capabilities(7)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_capability(viso_container *container, const char *capability);

VISO_END_DECLS

#endif
