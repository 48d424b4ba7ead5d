/* SPDX-License-Identifier: MIT */
/* A /proc of its own shows the roots of others. */
#include <sys/mount.h>

#include "attack.h"

int main(int argc, char **argv)
{
	char path[8192];
	if (mount("none", "/proc", "proc", 0, NULL) < 0)
		return refused("mount");
	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)getppid(), argv[1]);
	return is_secret(open(path, O_RDONLY)) ? GOT_OUT : refused("open");
}
