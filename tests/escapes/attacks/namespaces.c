/* SPDX-License-Identifier: MIT */
/* A new mount namespace, in which everything can be mounted; by the call argv[2]. Or (setns) that of its parent. */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "attack.h"

static int ended(long pid, const char *what)
{
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return outcome(pid, what);
	waitpid((pid_t)pid, NULL, 0);
	return GOT_OUT;
}

int main(int argc, char **argv)
{
	struct clone_args args = {.flags = CLONE_NEWNS, .exit_signal = SIGCHLD};
	if (!strcmp(argv[2], "unshare"))
		return outcome(unshare(CLONE_NEWNS), "unshare");
	if (!strcmp(argv[2], "clone"))
		return ended(syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL), "clone");
	if (!strcmp(argv[2], "clone3"))
		return ended(syscall(SYS_clone3, &args, sizeof(args)), "clone3");
	int parent = (int)syscall(SYS_pidfd_open, getppid(), 0);
	return outcome(setns(parent, CLONE_NEWNS), "setns");
}
