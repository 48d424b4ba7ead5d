/* SPDX-License-Identifier: MIT */
/* A working directory that chroot(2) did not change. */
#include "attack.h"

int main(int argc, char **argv)
{
	return reaches_secret(AT_FDCWD, argv[1]) ? GOT_OUT : refused("open");
}
