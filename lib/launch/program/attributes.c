/* SPDX-License-Identifier: MIT */
/*
 * What a command sets of its process. All but the umask is inherited over fork, so a container's init gets it from the
 * worker, from outside: in a user namespace nobody has the capabilities that raising takes (capable() in the kernel
 * asks for them in the first one).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "launcher.h"

static int set_oom_score_adj(const char *task, int adjustment)
{
	char path[64], text[16];
	if (worker.instance && !worker.inner_stack)
		return fail(VISO_STAGE_RLIMIT, EOPNOTSUPP, "oom_score_adj"); /* Landlock keeps it from /proc */
	snprintf(path, sizeof(path), "/proc/%s/oom_score_adj", task);
	snprintf(text, sizeof(text), "%d", adjustment);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int saved = errno;
	close_quietly(fd);
	errno = saved;
	return n < 0 ? fail(VISO_STAGE_RLIMIT, 0, "oom_score_adj") : 0;
}

static int apply(const struct plan *plan, pid_t pid, const char *task)
{
	const struct plan_attributes *attributes = &plan->attributes;
	struct sched_param param = {.sched_priority = attributes->priority};
	if (attributes->cpus_size &&
	    syscall(SYS_sched_setaffinity, pid, attributes->cpus_size, plan_string(plan, attributes->cpus)) < 0)
		return fail(VISO_STAGE_RLIMIT, 0, "sched_setaffinity");
	if ((attributes->set & PLAN_NICE) && syscall(SYS_setpriority, PRIO_PROCESS, pid, attributes->nice) < 0)
		return fail(VISO_STAGE_RLIMIT, 0, "setpriority");
	/* By system call: musl does not have it, for what POSIX says of processes. */
	if ((attributes->set & PLAN_SCHEDULER) && syscall(SYS_sched_setscheduler, pid, attributes->policy, &param) < 0)
		return fail(VISO_STAGE_RLIMIT, 0, "sched_setscheduler");
	return attributes->set & PLAN_OOM_SCORE_ADJ ? set_oom_score_adj(task, attributes->oom_score_adj) : 0;
}

int attributes_apply(const struct plan *plan)
{
	return apply(plan, 0, "self");
}

int attributes_apply_to(const struct plan *plan, pid_t pid)
{
	char task[16];
	snprintf(task, sizeof(task), "%d", (int)pid);
	return apply(plan, pid, task);
}
