/* SPDX-License-Identifier: MIT */
/* What one run leaves in a keyring (argv[3], "put") and the next one finds there ("get"); the key's name is argv[2]. */
#include <linux/keyctl.h>
#include <sys/syscall.h>

#include "attack.h"

static const int rings[] = {KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_KEYRING, KEY_SPEC_USER_SESSION_KEYRING};

static long persistent_ring(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_PERSISTENT, -1, KEY_SPEC_PROCESS_KEYRING);
}

static int put(const char *name)
{
	int count = 0;
	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
		count += syscall(SYS_add_key, "user", name, SECRET, strlen(SECRET), rings[i]) >= 0;
	long ring = persistent_ring();
	count += ring >= 0 && syscall(SYS_add_key, "user", name, SECRET, strlen(SECRET), ring) >= 0;
	return count ? GOT_OUT : refused("add_key");
}

/* Takes it out again. */
static int get(const char *name)
{
	int found = 0;
	for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]) + 1; i++) {
		long ring = i < sizeof(rings) / sizeof(rings[0]) ? rings[i] : persistent_ring();
		/* What is linked to a possessed ring is possessed. */
		syscall(SYS_keyctl, KEYCTL_LINK, ring, KEY_SPEC_PROCESS_KEYRING);
		long key = syscall(SYS_keyctl, KEYCTL_SEARCH, ring, "user", name, 0);
		if (key < 0)
			continue;
		found++;
		syscall(SYS_keyctl, KEYCTL_UNLINK, key, ring);
	}
	return found ? GOT_OUT : refused("keyctl");
}

int main(int argc, char **argv)
{
	return !strcmp(argv[3], "put") ? put(argv[2]) : get(argv[2]);
}
