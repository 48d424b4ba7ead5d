/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "launch/explain/subjects.h"

void explain_attribute(char *text, size_t size, const struct report_failure *failure)
{
	static const struct {
		const char *object;
		int error;
		const char *advice;
	} known[] = {
		{"setrlimit", EPERM, "a limit cannot be raised above the host program's own without privilege"},
		{"oom_score_adj", EACCES,
		 "viso_command_set_oom_score_adj: below the host program's own score it takes CAP_SYS_RESOURCE"},
		{"oom_score_adj", EOPNOTSUPP,
		 "viso_command_set_oom_score_adj: a command in a started instance has the score of the host program"},
		{"setpriority", EACCES,
		 "viso_command_set_nice: below the host program's own value it takes CAP_SYS_NICE, or RLIMIT_NICE"},
		{"sched_setscheduler", EPERM,
		 "viso_command_set_scheduler: real time takes CAP_SYS_NICE or RLIMIT_RTPRIO, and a control group that "
		 "has "
		 "time for it"},
		{"sched_setaffinity", EINVAL,
		 "viso_command_set_cpu_affinity: none of these CPUs is there, or in the cpuset of the host program"},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (failure->error == known[i].error && !strcmp(failure->object, known[i].object))
			snprintf(text, size, "%s", known[i].advice);
}
