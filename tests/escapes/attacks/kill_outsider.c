/* SPDX-License-Identifier: MIT */
/* Another process of the same user, outside: argv[2]. It is signalled. */
#include <signal.h>
#include <sys/syscall.h>

#include "attack.h"

int main(int argc, char **argv)
{
	pid_t pid = atoi(argv[2]);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0 && syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0) == 0)
		return GOT_OUT;
	return kill(pid, SIGURG) == 0 ? GOT_OUT : refused("kill");
}
