/* SPDX-License-Identifier: MIT */
/* A file system that is mounted read-only at /work is made writable: by mount(2), or by mount_setattr(2) (argv[2]). */
#include <sys/mount.h>
#include <sys/syscall.h>

#include "attack.h"

#define READ_ONLY 1 /* MOUNT_ATTR_RDONLY */

int main(int argc, char **argv)
{
	struct {
		unsigned long long set, clear, propagation, userns;
	} attributes = {.clear = READ_ONLY};
	if (!strcmp(argv[2], "mount_setattr")) {
		/* Of the mount, where the other is one of the file system. */
		if (syscall(SYS_mount_setattr, AT_FDCWD, "/work", 0, &attributes, sizeof(attributes)) < 0)
			return outcome(-1, "mount_setattr");
		return GOT_OUT;
	}
	if (mount(NULL, "/work", NULL, MS_REMOUNT, NULL) < 0)
		return refused("mount");
	return open("/work/file", O_WRONLY | O_CREAT, 0600) >= 0 ? GOT_OUT : refused("open");
}
