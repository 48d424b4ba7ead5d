/* SPDX-License-Identifier: MIT */
/* A device node of its own making: /dev/zero here, which could as well be the disk. */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "attack.h"

int main(int argc, char **argv)
{
	char byte = 1;
	unlink("/tmp/node");
	if (mknod("/tmp/node", S_IFCHR | 0666, makedev(1, 5)) < 0)
		return refused("mknod");
	int fd = open("/tmp/node", O_RDONLY);
	return fd >= 0 && read(fd, &byte, 1) == 1 && byte == 0 ? GOT_OUT : refused("open");
}
