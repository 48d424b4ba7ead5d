/* SPDX-License-Identifier: MIT */
/* Writes to the program that started this one, argv[1], which runs no longer. */
#include "attack.h"

int main(int argc, char **argv)
{
	int fd = open(argv[1], O_WRONLY);
	return fd >= 0 && write(fd, "#!", 2) == 2 ? GOT_OUT : refused(argv[1]);
}
