/* SPDX-License-Identifier: MIT */
/* Another process of the same user, outside: argv[2]. It is put at a disadvantage by the call argv[3]. */
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "attack.h"

enum { IDLE_CLASS = 3 << 13, WHO_PROCESS = 1, LEAST = 15 };

static long change(const char *call, pid_t pid)
{
	const struct rlimit limit = {.rlim_cur = 3, .rlim_max = 4096};
	const struct sched_param parameter = {0};
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (!strcmp(call, "prlimit"))
		return syscall(SYS_prlimit64, pid, RLIMIT_NOFILE, &limit, NULL);
	if (!strcmp(call, "setpriority"))
		return syscall(SYS_setpriority, PRIO_PROCESS, pid, LEAST);
	if (!strcmp(call, "sched_setaffinity"))
		return syscall(SYS_sched_setaffinity, pid, sizeof(set), &set);
	if (!strcmp(call, "sched_setscheduler"))
		return syscall(SYS_sched_setscheduler, pid, SCHED_BATCH, &parameter);
	return syscall(SYS_ioprio_set, WHO_PROCESS, pid, IDLE_CLASS);
}

int main(int argc, char **argv)
{
	return outcome(change(argv[3], atoi(argv[2])), argv[3]);
}
