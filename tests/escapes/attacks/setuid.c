/* SPDX-License-Identifier: MIT */
/* A copy of itself that belongs to root and is setuid: argv[2]. */
#include "attack.h"

int main(int argc, char **argv)
{
	if (argc == 2)
		return geteuid() == 0 ? GOT_OUT : refused("execve");
	if (geteuid() == 0)
		return BROKEN; /* it has to be gained */
	char *const again[] = {argv[0], argv[1], NULL};
	execv(argv[2], again);
	return BROKEN;
}
