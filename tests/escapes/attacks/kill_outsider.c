/* SPDX-License-Identifier: MIT */
/* Another process of the same user, outside: argv[2]. It is signalled by the call argv[3]. */
#include <signal.h>
#include <sys/syscall.h>

#include "attack.h"

/* Ignored unless it is waited for. */
enum { HARMLESS = SIGURG };

static long send(const char *call, pid_t pid)
{
	siginfo_t info = {.si_signo = HARMLESS, .si_code = SI_QUEUE, .si_pid = getpid()};
	if (!strcmp(call, "kill"))
		return kill(pid, HARMLESS);
	if (!strcmp(call, "tkill"))
		return syscall(SYS_tkill, pid, HARMLESS);
	if (!strcmp(call, "tgkill"))
		return syscall(SYS_tgkill, pid, pid, HARMLESS);
	if (!strcmp(call, "rt_sigqueueinfo"))
		return syscall(SYS_rt_sigqueueinfo, pid, HARMLESS, &info);
	if (!strcmp(call, "rt_tgsigqueueinfo"))
		return syscall(SYS_rt_tgsigqueueinfo, pid, pid, HARMLESS, &info);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return pidfd < 0 ? -1 : syscall(SYS_pidfd_send_signal, pidfd, HARMLESS, NULL, 0);
}

int main(int argc, char **argv)
{
	return send(argv[3], atoi(argv[2])) == 0 ? GOT_OUT : refused(argv[3]);
}
