/* SPDX-License-Identifier: MIT */
/* Another process of the same user, outside: argv[2]. It is traced, or its memory is read. */
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "attack.h"

int main(int argc, char **argv)
{
	char byte;
	pid_t pid = atoi(argv[2]);
	void *address = (void *)strtoul(argv[3], NULL, 16);
	struct iovec here = {&byte, 1}, there = {address, 1};
	if (process_vm_readv(pid, &here, 1, &there, 1, 0) == 1)
		return GOT_OUT;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0 && syscall(SYS_pidfd_getfd, pidfd, 0, 0) >= 0)
		return GOT_OUT;
	if (ptrace(PTRACE_ATTACH, pid, 0, 0) < 0)
		return refused("ptrace");
	return GOT_OUT;
}
