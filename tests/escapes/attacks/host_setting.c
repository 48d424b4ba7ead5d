/* SPDX-License-Identifier: MIT */
/* The host's /proc was mounted in the root. A setting of the host's kernel is changed there: kernel.core_pattern, which
 * could name a program that the host runs as root; it gets the value that it has. */
#include "attack.h"

int main(int argc, char **argv)
{
	char value[256];
	int fd = open("/proc/sys/kernel/core_pattern", O_RDWR);
	ssize_t n = fd < 0 ? -1 : read(fd, value, sizeof(value));
	if (n < 0)
		return refused("core_pattern");
	return pwrite(fd, value, (size_t)n, 0) == n ? GOT_OUT : refused("write");
}
