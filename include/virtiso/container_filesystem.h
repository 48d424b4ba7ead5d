/* SPDX-License-Identifier: MIT */
/**
 * @file container_filesystem.h
 * What a container sees as its files beside its root: mounts, writable layers, hidden and read-only paths.
 *
 * Everything is mounted by file descriptors; a name in the root is looked up beneath the root, and no symbolic link in it is
 * followed. Paths in the container are absolute, without "." and "..", and not "/" itself. Mounts are made in the order of the
 * calls, then come read-only and masked paths.
 *
 * What is to be mounted upon is made where it is missing, with the directories on the way: below /tmp, /dev or a tmpfs, where the
 * root has an upper that takes the writes, and in a root that is read-only. Over the latter an overlay is laid with what is
 * missing, in memory; then it is as read-only as without. That takes a kernel that allows the caller overlays (ordinary users:
 * Linux 5.11; with root of the host, to show owners: 5.19), and a root below which nothing is mounted, since an overlay would
 * hide that. Never is anything made in a directory of the host, such as one that is bound, or a root that is writable in place:
 * there a start fails with -ENOENT and stage VISO_STAGE_MOUNT.
 *
 * Owners: with root of the host, the files of the root and of layers are shown with the owners that they have on disk, so that
 * what is root's there is the container's root's (id-mapped mounts, Linux 5.12; in overlays 5.19). Outside, the container's root
 * is nobody all the same. Not so, but as nobody's, are shown: owners above 65535; what is mounted below the root; all of a file
 * system that cannot do it; and the host's own root directory, whose secrets and sockets would be the container's. With ids of
 * the caller's choice (viso_container_add_id_map(), or a user namespace that was joined) owners are what these ids say. For an
 * ordinary user the container has one id, which is that user's own; what belongs to others is nobody's.
 *
 * A program that keeps CAP_SYS_ADMIN can unmount what was mounted, and so uncover a masked path. It cannot make the root or a
 * bind writable that is read-only.
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
	VISO_MOUNT_ID_MAPPED = 16,    /**< ids on it are those that the container sees: owner 0 is the container's 0. Needs root
					   of the host, else a start fails with -EPERM, and a file system that can do it, else
					   -EOPNOTSUPP. Unless it is read-only as well, take it for directories only that nobody
					   else on the host gets into: the container can leave programs of the host's root with
					   setuid bits there. */
	VISO_MOUNT_OPTIONAL = 32,     /**< left out where the source is not there */
	VISO_MOUNT_ENUM_WIDTH_ = 0x7fffffff /**< not a flag; fixes the width of the type */
} viso_mount;

/**
 * Show a file or directory of the host in the container. Later mounts lie on top of earlier ones.
 *
 * The source is opened when this function is called, following symbolic links on the host, and stays the same file whatever
 * its path leads to later (Flatpak, CVE-2024-42472). The target is looked up beneath the root, following no link, so that a
 * hostile root cannot turn it elsewhere (CVE-2021-30465, CVE-2023-27561).
 *
 * @param container  a container that has not run anything
 * @param source     a file or directory of the host
 * @param path       absolute path in the container; what is there is mounted upon, what is missing is made
 * @param flags      of viso_mount
 * @return 0, or a negative errno: -EINVAL, -ENOENT, -EACCES, -ELOOP, -ENOTDIR and others of open(2) for the source, -EMFILE, -E2BIG more
 *         than 48 binds and devices or 256 mounts, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with stage VISO_STAGE_MOUNT where the
 *         target is missing and cannot be made (-ENOENT), of another type (-ENOTDIR, -EISDIR), or a symbolic link (-ELOOP); where something
 *         is mounted below the source and VISO_MOUNT_RECURSIVE was not given (-EINVAL, ordinary users only); or where an ordinary user's
 *         source has no path any more that leads to it (-ESTALE, -ENOENT).
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
 * @param path       absolute path in the container; what is there is mounted upon, what is missing is made
 * @param flags      of viso_mount
 * @return 0, or a negative errno: -EINVAL, -EBADF, -EMFILE, -E2BIG, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start as
 *         viso_container_add_bind(); and -EINVAL for a fd that no path leads to, as that of a pipe or memfd.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_bind_fd(viso_container *container, int fd, const char *path, unsigned flags);

/**
 * Mount an empty directory in memory. /tmp is one without this call.
 *
 * @param container  a container that has not run anything
 * @param path       absolute path in the container; what is there is mounted upon, what is missing is made
 * @param size_max   bytes that may be written to it; 0 for the memory limit of the container, or the half of the memory
 * @param mode       of the directory, such as 01777; it belongs to the container's root
 * @param flags      VISO_MOUNT_READ_ONLY and VISO_MOUNT_NO_EXEC
 * @return 0, or a negative errno: -EINVAL, -E2BIG more than 256 mounts, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
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
 * @param path       absolute path in the container; what is there is mounted upon, what is missing is made
 * @param data       the bytes; may be NULL where `size` is 0; copied
 * @param size       how many, at most 16 MiB, and 64 MiB for all files of a container
 * @param mode       of the file, such as 0644, without setuid bits; it belongs to the container's root
 * @return 0, or a negative errno: -EINVAL, -E2BIG more than 256 mounts, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -EFBIG.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_file(viso_container *container, const char *path, const void *data, size_t size,
							 unsigned mode);

/**
 * Mount a file system of the kernel: "proc", "sysfs", "mqueue", "devpts", "tmpfs" or "cgroup2". /proc, /dev and /dev/pts are
 * there without this call. What it shows is that of the container's own namespaces, so "sysfs" takes a network namespace of its
 * own.
 *
 * @param container  a container that has not run anything
 * @param type       its type
 * @param path       absolute path in the container; what is there is mounted upon, what is missing is made
 * @param flags      VISO_MOUNT_READ_ONLY and VISO_MOUNT_NO_EXEC
 * @return 0, or a negative errno: -EINVAL, -E2BIG more than 256 mounts, -EBUSY, -ESTALE, -ENOMEM, -ECHILD; -EPERM a type that
 *         a container must not have. A start fails with stage VISO_STAGE_MOUNT where the kernel does not allow it.
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
 * @return 0, or a negative errno: -EINVAL, -ENOTBLK it is no device node, -ENOENT, -EACCES, -EMFILE, -E2BIG, -EBUSY, -ESTALE,
 *         -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_device(viso_container *container, const char *device);

/**
 * Make a path of the container read-only with all that lies below, after all mounts.
 *
 * @param container  a container that has not run anything
 * @param path       absolute path in the container; where it is not there, nothing happens
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -ELOOP and stage
 *         VISO_STAGE_MOUNT where a symbolic link is there or on the way, since what it leads to would stay as it is.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_read_only(viso_container *container, const char *path);

/**
 * Hide a path of the container: a directory shows as empty, a file as empty, after all mounts. Nothing of the image is used
 * for it (CVE-2025-31133).
 *
 * @param container  a container that has not run anything
 * @param path       absolute path in the container; where it is not there, nothing happens
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start as viso_container_add_read_only().
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_mask(viso_container *container, const char *path);

/**
 * Lay one more root over the root and earlier layers, as an overlay: a file in a later layer hides that of an earlier one. Of an
 * overlay, what is mounted below the directories is not seen.
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
 * Let the program write in the root; what it writes goes to memory and is discarded with the instance. Without this call the root
 * is read-only. Modes and owners hold as they do anywhere: what is root's is written by a command that runs as user 0. Of this
 * call and viso_container_set_upper_directory() the last one counts.
 *
 * Before Linux 6.6 files in memory have no attributes of users' own. There a container of an ordinary user can neither remove a
 * directory of the root that is not empty, nor make one in the place of what it has removed.
 *
 * @param container  a container that has not run anything
 * @param size_max   bytes that may be written; 0 for the memory limit of the container, or the half of the memory
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start as viso_container_add_layer().
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_upper_discarded(viso_container *container, uint64_t size_max);

/**
 * Let the program write in the root, as with viso_container_set_upper_discarded(); what it writes is kept in a directory of the
 * host, from one instance to the next. Only one instance may use it at a time: it is locked by flock(2) until the instance has
 * ended, or the host program with it.
 *
 * On disk, files have the owners that they have in the container, and perhaps setuid bits. So the directory is closed to all but
 * its owner when it is first used (mode 0700), and has to belong to the user of the host program. One that is open to others and
 * has other things in it, or in which everybody can write, such as /tmp, is refused.
 *
 * @param container  a container that has not run anything
 * @param directory  an existing directory of the host that is the container's own; "upper" and "work" are made in it
 * @return 0, or a negative errno: -EINVAL, -ENOENT, -ENOTDIR, -EACCES also where it belongs to another user, -EPERM it is
 *         open to others and not the container's own, -EMFILE, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with stage
 *         VISO_STAGE_MOUNT: -EBUSY another instance uses it, -EOPNOTSUPP with root of the host, where its file system cannot show
 *         other owners, and as viso_container_add_layer().
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_upper_directory(viso_container *container, const char *directory);

/**
 * Let the program write to the directory of the root itself, as far as the modes and ids of its files allow. Take it for
 * directories that were made for it only.
 *
 * With root of the host, owners are shown as they are on disk only where the directory that contains the root directory belongs
 * to root and is closed to all others (mode 0700): there nobody can run what the container leaves as a program of the host's
 * root. Anywhere else the container's files belong to ids that are nobody's, and others in the next instance.
 *
 * @param container  a container that has not run anything
 * @param writable   0 or 1
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EINVAL and stage
 *         VISO_STAGE_ARGUMENT where there are layers or an upper, too.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_root_writable(viso_container *container, int writable);

VISO_END_DECLS

#endif
