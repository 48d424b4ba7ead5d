/* SPDX-License-Identifier: MIT */
/* Another process of the same user, outside: argv[2]. Its memory at argv[4], or its fd argv[5], is taken by the method
 * argv[3]. */
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "attack.h"

static int take_fd(pid_t pid, int number)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	/* The offset is the outsider's as well. */
	return fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 && is_secret(fd) ? GOT_OUT : refused("pidfd_getfd");
}

static int transfer(pid_t pid, void *address, long call)
{
	char text[] = SECRET;
	struct iovec here = {text, sizeof(text)}, there = {address, sizeof(text)};
	if (call == SYS_process_vm_readv)
		memset(text, 0, sizeof(text));
	if (syscall(call, pid, &here, 1, &there, 1, 0) != sizeof(text))
		return refused("process_vm");
	return strcmp(text, SECRET) ? BROKEN : GOT_OUT;
}

static int trace(pid_t pid, void *address, int request)
{
	if (ptrace(request, pid, 0, 0) < 0)
		return refused("ptrace");
	if (request == PTRACE_SEIZE)
		ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	waitpid(pid, NULL, __WALL);
	long word = ptrace(PTRACE_PEEKDATA, pid, address, 0);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return memcmp(&word, SECRET, sizeof(word)) ? BROKEN : GOT_OUT;
}

int main(int argc, char **argv)
{
	pid_t pid = atoi(argv[2]);
	const char *method = argv[3];
	void *address = (void *)strtoul(argv[4], NULL, 16);
	if (!strcmp(method, "attach"))
		return trace(pid, address, PTRACE_ATTACH);
	if (!strcmp(method, "seize"))
		return trace(pid, address, PTRACE_SEIZE);
	if (!strcmp(method, "read"))
		return transfer(pid, address, SYS_process_vm_readv);
	if (!strcmp(method, "write"))
		return transfer(pid, address, SYS_process_vm_writev);
	return take_fd(pid, atoi(argv[5]));
}
