/* SPDX-License-Identifier: MIT */
/* openat2(2), for which glibc 2.36 has no wrapper. This file needs nothing of the library. */
#include "core/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_how(int dir, const char *path, int flags, unsigned long long resolve)
{
	struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .resolve = resolve};
	if (flags & O_CREAT)
		how.mode = 0600;
	long fd;
	do
		/* EAGAIN: a rename raced with the walk; see openat2(2). */
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

int open_beneath(int dir, const char *path, int flags, int one_mount)
{
	return open_how(dir, path, flags | O_NOFOLLOW,
			RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
				(one_mount ? RESOLVE_NO_XDEV : 0));
}

int open_without_links(const char *path, int flags)
{
	return open_how(AT_FDCWD, path, flags | O_NOFOLLOW, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int open_in_root(int dir, const char *path, int flags, int without_links)
{
	return open_how(dir, path, flags,
			RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (without_links ? RESOLVE_NO_SYMLINKS : 0));
}

int open_regular(const char *path, struct stat *out_stat)
{
	/* O_NONBLOCK: what became a FIFO must not stop us. */
	int fd = open_without_links(path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	int r = fstat(fd, out_stat) < 0 ? -errno : S_ISREG(out_stat->st_mode) ? 0 : -EINVAL;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}
