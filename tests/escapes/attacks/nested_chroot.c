/* SPDX-License-Identifier: MIT */
/* A second chroot leaves the working directory above the new root. */
#include <sys/stat.h>

#include "attack.h"

int main(int argc, char **argv)
{
	mkdir("/tmp/nested", 0755);
	if (chroot("/tmp/nested") < 0)
		return refused("chroot");
	for (int i = 0; i < 64; i++)
		(void)!chdir("..");
	return reaches_secret(AT_FDCWD, argv[1]) ? GOT_OUT : refused("open");
}
