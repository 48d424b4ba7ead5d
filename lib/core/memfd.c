/* SPDX-License-Identifier: MIT */
#include "core/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fd.h"
#include "core/file_limit.h"
#include "core/transfer.h"

int memfd_with(const char *name, unsigned flags, const void *data, size_t size)
{
	struct file_limit_guard guard;
	_cleanup_close_ int fd = fd_above_streams(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
	if (fd < 0)
		return -errno;
	file_limit_begin(&guard);
	int r = write_whole(fd, data, size);
	file_limit_end(&guard);
	if (r < 0)
		return r;
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : TAKE_FD(fd);
}

int memfd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ? -errno : 0;
}
