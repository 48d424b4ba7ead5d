/* SPDX-License-Identifier: MIT */
/* The host's /proc was mounted in the root; a process of the same user, argv[2], has another root. */
#include "attack.h"

int main(int argc, char **argv)
{
	char path[8192];
	snprintf(path, sizeof(path), "/proc/%s/root%s", argv[2], argv[1]);
	return is_secret(open(path, O_RDONLY)) ? GOT_OUT : refused("open");
}
