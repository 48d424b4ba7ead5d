/* SPDX-License-Identifier: MIT */
/* A copy of itself that is setuid for the user 1234: argv[2]. */
#include "attack.h"

int main(int argc, char **argv)
{
	if (argc == 2 && geteuid() == 1234)
		return GOT_OUT;
	if (argc == 2) {
		printf("nothing gained\n");
		return REFUSED;
	}
	if (geteuid() == 1234)
		return BROKEN; /* it has to be gained */
	char *const again[] = {argv[0], argv[1], NULL};
	execv(argv[2], again);
	return BROKEN;
}
