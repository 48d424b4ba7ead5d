/* SPDX-License-Identifier: MIT */
/**
 * @file container_filesystem.h
 * What a container sees as its files beside its root: mounts, writable layers, hidden and read-only paths.
 *
 * Everything is mounted by file descriptors; a name in the root is looked up beneath the root.
 */
#ifndef VIRTISO_CONTAINER_FILESYSTEM_H
#define VIRTISO_CONTAINER_FILESYSTEM_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/container.h>
#include <stddef.h>
#include <virtiso/root.h>

VISO_BEGIN_DECLS

/** How something is mounted in a container; to be combined by `|`. */
typedef enum viso_mount {
	VISO_MOUNT_DEFAULT = 0,       /**< writable, programs may be executed; setuid bits and device nodes have no effect */
	VISO_MOUNT_READ_ONLY = 1,     /**< cannot be written, with all that is mounted below */
	VISO_MOUNT_NO_EXEC = 2,       /**< programs on it cannot be executed */
	VISO_MOUNT_DEVICES = 4,       /**< device nodes on it work */
	VISO_MOUNT_RECURSIVE = 8,     /**< with what is mounted below the source */
	VISO_MOUNT_ID_MAPPED = 16,    /**< ids on it are those that the container sees: owner 0 is the container's 0 */
	VISO_MOUNT_OPTIONAL = 32,     /**< left out where the source is not there */
	VISO_MOUNT_ENUM_WIDTH_ = 0x7fffffff /**< not a flag; fixes the width of the type */
} viso_mount;

/**
 * Show a file or directory of the host in the container. Later mounts lie on top of earlier ones.
 *
 * The source is opened when this function is called, following symbolic links on the host; the target is looked up beneath the
 * root,
 * following no link, so that a hostile root cannot turn it elsewhere (CVE-2021-30465, CVE-2023-27561).
 *
 * @param container  a container that has not run anything
 * @param source     a file or directory of the host
 * @param path       absolute path in the container; it must be there in the root, unless a writable upper makes it
 *                   possible to create it
 * @param flags      of viso_mount
 * @return 0, or a negative errno: -EINVAL, -ENOENT, -EACCES, -ELOOP, -ENOTDIR and others of open(2) for the source, -EMFILE,
 *         -EBUSY,
 *         -ESTALE, -ENOMEM, -ECHILD. A start fails with stage VISO_STAGE_MOUNT where the target is not there (-ENOENT) or of
 *         another type
 *         (-ENOTDIR, -EISDIR), or a symbolic link (-ELOOP).
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: mount_namespaces(7), open_tree(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_bind(viso_container *container, const char *source, const char *path,
							 unsigned flags);

/**
 * As viso_container_add_bind(), with an open file or directory as the source.
 *
 * @param container  a container that has not run anything
 * @param fd         the source, such as an O_PATH fd; duplicated, so that the caller may close it at once
 * @param path       absolute path in the container; it must be there in the root, unless a writable upper makes it
 *                   possible to create it
 * @param flags      of viso_mount
 * @return 0, or a negative errno: -EINVAL, -EBADF, -EMFILE, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_bind_fd(viso_container *container, int fd, const char *path, unsigned flags);

/**
 * Mount an empty directory in memory. /tmp is one without this call.
 *
 * @param container  a container that has not run anything
 * @param path       absolute path in the container; it must be there in the root, unless a writable upper makes it
 *                   possible to create it
 * @param size_max   bytes that may be written to it; 0 for the memory limit of the container, or the half of the memory
 * @param mode       of the directory, such as 01777
 * @param flags      of viso_mount
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: tmpfs(5)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_tmpfs(viso_container *container, const char *path, uint64_t size_max, unsigned mode,
							  unsigned flags);

/**
 * Put a read-only file with these bytes into the container, in memory.
 *
 * @param container  a container that has not run anything
 * @param path       absolute path in the container; it must be there in the root, unless a writable upper makes it
 *                   possible to create it
 * @param data       the bytes; may be NULL where `size` is 0; copied
 * @param size       how many, at most 16 MiB
 * @param mode       of the file, such as 0644
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -EFBIG.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_file(viso_container *container, const char *path, const void *data, size_t size,
							 unsigned mode);

/**
 * Mount a file system of the kernel: "proc", "sysfs", "mqueue", "devpts", "tmpfs" or "cgroup2". /proc, /dev and /dev/pts are
 * there without
 * this call.
 *
 * @param container  a container that has not run anything
 * @param type       its type
 * @param path       absolute path in the container; it must be there in the root, unless a writable upper makes it
 *                   possible to create it
 * @param flags      of viso_mount
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD; -EPERM a type that a container must not
 *         have. A start fails with stage VISO_STAGE_MOUNT where the kernel does not allow it.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_filesystem(viso_container *container, const char *type, const char *path,
							       unsigned flags);

/**
 * Show a device node of the host in the container, at the same path, which must lie below /dev. With a device filter
 * (viso_container_allow_device()) it must be allowed, too.
 *
 * @param container  a container that has not run anything
 * @param device     such as "/dev/fuse"
 * @return 0, or a negative errno: -EINVAL, -ENOTBLK it is no device node, -ENOENT, -EACCES, -EMFILE, -EBUSY, -ESTALE, -ENOMEM,
 *         -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_device(viso_container *container, const char *device);

/**
 * Make a path of the container read-only with all that lies below, after all mounts.
 *
 * @param container  a container that has not run anything
 * @param path       absolute path in the container; where it is not there, nothing happens
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_read_only(viso_container *container, const char *path);

/**
 * Hide a path of the container: a directory shows as empty, a file as empty, after all mounts.
 *
 * @param container  a container that has not run anything
 * @param path       absolute path in the container; where it is not there, nothing happens
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_mask(viso_container *container, const char *path);

/**
 * Lay one more root over the root and earlier layers, as an overlay: a file in a later layer hides that of an earlier one.
 *
 * @param container  a container that has not run anything
 * @param layer      a root; the container takes a reference of its own
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -E2BIG more than 32 layers. A start fails
 *         with stage VISO_STAGE_MOUNT where the kernel does not allow overlays to the caller (ordinary users: Linux 5.11).
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: Documentation/filesystems/overlayfs.rst
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_layer(viso_container *container, viso_root *layer);

/**
 * Let the program write everywhere in the root; what it writes goes to memory and is discarded with the instance. Without this
 * call the root
 * is read-only.
 *
 * @param container  a container that has not run anything
 * @param size_max   bytes that may be written; 0 for the memory limit of the container, or the half of the memory
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start as viso_container_add_layer().
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_upper_discarded(viso_container *container, uint64_t size_max);

/**
 * Let the program write everywhere in the root; what it writes is kept in a directory of the host, from one instance to the
 * next. Only one
 * instance may use it at a time.
 *
 * @param container  a container that has not run anything
 * @param directory  an existing directory of the host that is the container's own; "upper" and "work" are made in it
 * @return 0, or a negative errno: -EINVAL, -ENOENT, -ENOTDIR, -EACCES, -EMFILE, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start
 *         fails
 *         with -EBUSY and stage VISO_STAGE_MOUNT where another instance uses it.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_upper_directory(viso_container *container, const char *directory);

/**
 * Let the program write to the directory of the root itself, as far as the modes and ids of its files allow. Take it for
 * directories that were
 * made for it only.
 *
 * @param container  a container that has not run anything
 * @param writable   0 or 1
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_root_writable(viso_container *container, int writable);

VISO_END_DECLS

#endif
