/* SPDX-License-Identifier: MIT */
/* A careless program that starts others: enters the root argv[1] and executes argv[2] there. Where that turns out to be
 * itself, as the interpreter of a file in the root, it does what the root wants of it (CVE-2019-5736). */
#include "attack.h"

int main(int argc, char **argv)
{
	char path[64];
	if (argc == 2) {
		int self = open("/proc/self/exe", O_RDONLY);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", self);
		execl("/bin/overwrite", "overwrite", path, NULL);
		return BROKEN;
	}
	if (argc != 3 || chroot(argv[1]) < 0 || chdir("/") < 0)
		return BROKEN;
	execl(argv[2], argv[2], NULL);
	return refused(argv[2]);
}
