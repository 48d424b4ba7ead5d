/* SPDX-License-Identifier: MIT */
/* A root into one file. */
#include <errno.h>
#include <virtiso/image.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/file_limit.h"
#include "image/cpio.h"
#include "image/erofs.h"
#include "image/output.h"
#include "root/failure.h"
#include "root/handle.h"
#include "root/root.h"

/* What <virtiso/image.h> documents; the first stands for what has no closer one. */
static const int image_errors[] = {EIO,   EINVAL, ENOENT, ENOTDIR,    EACCES,    EFBIG,  ENOSPC, EDQUOT,
				   EROFS, EPERM,  EXDEV,  EOPNOTSUPP, ENOMEM,    EMFILE, ENFILE, EAGAIN,
				   EPIPE, ECHILD, EEXIST, ENOTEMPTY,  ECANCELED, 0};

static int write_image(viso_root *root, viso_image_format format, const char *path, int fd)
{
	_cleanup_(output_clear) struct output output;
	_cleanup_(listing_clear) struct listing listing = {0};
	int r = output_open(&output, path);
	if (r >= 0)
		r = listing_make(&listing, root, fd);
	if (r >= 0 && format == VISO_IMAGE_INITRAMFS)
		r = cpio_write(&listing, fd, output.fd);
	else if (r >= 0)
		r = erofs_write(&listing, viso_root_path(root), root->used != NULL, output.fd);
	return r < 0 ? r : output_finish(&output);
}

int viso_image_write(viso_root *root, viso_image_format format, const char *path)
{
	struct file_limit_guard guard;
	_cleanup_close_ int fd = -1;
	int r = handle_check(root ? &root->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (format != VISO_IMAGE_INITRAMFS && format != VISO_IMAGE_EROFS)
		return error_argument(__func__, "there is no such format of images");
	if (!path || path[0] != '/')
		return error_argument(__func__, "the image is not an absolute path");
	r = root_open(root, &fd);
	if (r < 0)
		return r;
	file_limit_begin(&guard);
	r = write_image(root, format, path, fd);
	file_limit_end(&guard);
	return only_documented(r, image_errors);
}
