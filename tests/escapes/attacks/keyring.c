/* SPDX-License-Identifier: MIT */
/* A key of the host with the name argv[2]: of the session that the host program belongs to, or of the user (argv[3]).
 */
#include <linux/keyctl.h>
#include <sys/syscall.h>

#include "attack.h"

int main(int argc, char **argv)
{
	char text[64] = "";
	int ring = !strcmp(argv[3], "user") ? KEY_SPEC_USER_KEYRING : KEY_SPEC_SESSION_KEYRING;
	/* What is linked to a possessed ring is possessed. */
	if (ring == KEY_SPEC_USER_KEYRING)
		syscall(SYS_keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_PROCESS_KEYRING);
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, ring, "user", argv[2], 0);
	if (key < 0)
		key = syscall(SYS_request_key, "user", argv[2], NULL, 0);
	if (key < 0)
		return refused("keyctl");
	return syscall(SYS_keyctl, KEYCTL_READ, key, text, sizeof(text) - 1) > 0 && !strcmp(text, SECRET)
		       ? GOT_OUT
		       : refused("read");
}
