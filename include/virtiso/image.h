/* SPDX-License-Identifier: MIT */
/**
 * @file image.h
 * A root packed into one file, for a kernel that boots or mounts it.
 */
#ifndef VIRTISO_IMAGE_H
#define VIRTISO_IMAGE_H

#include <virtiso/attributes.h>
#include <virtiso/root.h>

VISO_BEGIN_DECLS

/** Kinds of images. */
typedef enum viso_image_format {
	VISO_IMAGE_INITRAMFS = 1, /**< cpio archive in the "newc" format, not compressed, as a kernel unpacks it at boot */
	VISO_IMAGE_EROFS = 2,     /**< EROFS file system, made by mkfs.erofs of erofs-utils */
	VISO_IMAGE_FORMAT_ENUM_WIDTH_ = 0x7fffffff /**< not a format; fixes the width of the type */
} viso_image_format;

/**
 * Pack a root into a file. All entries belong to uid and gid 0, unless the root says otherwise; the same root gives the same
 * bytes, wherever and whenever it is built: files of the host and of bases keep their times, and all else has one that does
 * not depend on the build. The record of a built directory (`.viso`) is not packed, and neither is what is mounted in it.
 *
 * Of the devices, those that every root has and that the caller could not make are in an initramfs all the same; one that was
 * added and cannot be made lets the build fail, with -EPERM; in an EROFS image they are where they are in the built root,
 * and owners other than 0 are in it where root packs. mkfs.erofs runs on the host, with the rights of the caller, in a
 * viso_jail whose root is "/".
 *
 * @param root    a root; it is built first where that has not happened. One that uses an existing directory is packed as that
 *                is, with its owners and times, sockets and FIFOs left out.
 * @param format  which kind
 * @param path    the file, absolute; a file that is there is replaced at once, when the image is complete
 * @return 0, or a negative errno: -EINVAL bad argument, -ENOENT no such directory (stage VISO_STAGE_ROOT) or no mkfs.erofs
 *         (the message says which package has it), -ENOTDIR, -EACCES, -EFBIG a file of 4 GiB or more in an initramfs, -ENOSPC,
 *         -EDQUOT, -EROFS, -EIO also mkfs.erofs failed (its message is in the error's), -EPERM, -EOPNOTSUPP, -ENOMEM, -EMFILE,
 *         -ENFILE, -EAGAIN, -EPIPE, -ECHILD, and what viso_root_build() returns.
 * Threads: any.
 * Since: 0.2
 * See: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel, mkfs.erofs(1)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_image_write(viso_root *root, viso_image_format format, const char *path);

VISO_END_DECLS

#endif
