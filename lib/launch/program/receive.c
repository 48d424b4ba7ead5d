/* SPDX-License-Identifier: MIT */
/*
 * Makes a copy of files of the host inside a sandbox (launch/copy/in.c sends them): in place of a program, after all
 * the steps before execve but seccomp, so as the sandbox's user. A fork with memory of its own does it, since the
 * worker goes on.
 */
#include "launch/copy/receive.h"

#include <errno.h>
#include <sys/wait.h>

#include "launcher.h"

_Noreturn void receive_files(struct job *job)
{
	int status;
	/* Not fork(3), which would lock what the worker's other children may need. */
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(receive_tree(job->argv[0], job->argv[1]));
	if (pid < 0)
		_exit(errno);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EIO);
}
