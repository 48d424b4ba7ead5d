/* SPDX-License-Identifier: MIT */
/* A control group of the host that can be written to, anywhere below /sys/fs/cgroup. */
#include <ftw.h>

#include "attack.h"

static int try_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + ftw->base;
	if (type != FTW_F || (strcmp(name, "cgroup.procs") && strcmp(name, "tasks") && strcmp(name, "release_agent")))
		return 0;
	int fd = open(path, O_WRONLY);
	if (fd < 0)
		return 0;
	close(fd);
	printf("%s ", path);
	return 1;
}

int main(int argc, char **argv)
{
	errno = ENOENT;
	return nftw("/sys/fs/cgroup", try_file, 16, FTW_PHYS) == 1 ? GOT_OUT : refused("/sys/fs/cgroup");
}
