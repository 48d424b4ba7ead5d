/* SPDX-License-Identifier: MIT */
/* A key of the session that the host program belongs to: its name is argv[2]. */
#include <linux/keyctl.h>
#include <sys/syscall.h>

#include "attack.h"

int main(int argc, char **argv)
{
	char text[64] = "";
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", argv[2], 0);
	if (key < 0)
		key = syscall(SYS_request_key, "user", argv[2], NULL, 0);
	if (key < 0)
		return refused("keyctl");
	return syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof(text) - 1) > 0 && !strcmp(text, SECRET)
		       ? GOT_OUT
		       : refused("read");
}
