/* SPDX-License-Identifier: MIT */
/* A tar archive as a base. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/file_limit.h"
#include "root/base/layer.h"
#include "root/failure.h"
#include "root/handle.h"
#include "root/target.h"

/* What <virtiso/root.h> documents; the first stands for what has no closer one. */
static const int archive_errors[] = {EIO,    EINVAL, EPERM,  EOPNOTSUPP, EBUSY,  EEXIST, ENOENT,
				     EACCES, ENOSPC, EDQUOT, EFBIG,      ENOMEM, ECHILD, 0};

/* A fd, or a negative errno with the error set. */
static int open_archive(const char *path)
{
	struct stat st;
	/* O_NONBLOCK: a FIFO must not stop us. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_path(errno, "open", path);
	if (!S_ISREG(st.st_mode))
		return error_fail(VISO_STAGE_IMAGE, EINVAL, path, "%s is no archive, since it is not a regular file",
				  path);
	/* To tar(1) that is an archive with nothing in it; here it was meant to be a base. */
	if (!st.st_size)
		return error_fail(VISO_STAGE_IMAGE, EINVAL, path, "%s is no archive, since it is empty", path);
	return TAKE_FD(fd);
}

static int unpack(viso_root *root, const char *path, const char *place)
{
	struct libarchive library;
	struct layer_input input = {.name = path};
	_cleanup_close_ int fd = open_archive(path);
	if (fd < 0)
		return fd;
	input.fd = fd;
	int r = libarchive_load(&library);
	if (r < 0)
		return r;
	_cleanup_(base_clear) struct base base;
	r = base_init(&base, place);
	if (r >= 0)
		r = layer_unpack(&base, &library, LIBARCHIVE_ALL, &input, false);
	return r < 0 ? r : base_give(&base, root, "archive", path);
}

static int add_archive(viso_root *root, const char *path, const char *target, const char *function)
{
	char place[PATH_MAX] = "/";
	if (!path || path[0] != '/')
		return error_argument(function, "the archive is not an absolute path");
	int r = target ? target_find(&root->manifest, target, true, function, place) : 0;
	if (r < 0)
		return r;
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	r = unpack(root, path, place);
	file_limit_end(&guard);
	return r;
}

int viso_root_add_archive(viso_root *root, const char *path, const char *target)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	r = add_archive(root, path, target, __func__);
	return root_end(root, mark, r, archive_errors);
}
