/* SPDX-License-Identifier: MIT */
/*
 * The seccomp filter and what has to be done behind it. A filter may forbid, or ask the host about, the very calls with
 * which the program is started. Those bear the plan's pass in arguments that the kernel does not look at; execve(2)
 * clears all registers, so the program never sees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/socket.h>

#include "launcher.h"

#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static long call(const struct plan *plan, long number, long a, long b, long c)
{
	return syscall(number, a, b, c, plan->security.pass[0], plan->security.pass[1]);
}

void filter_execve(const struct plan *plan, const char *program, char **argv, char **env)
{
	call(plan, SYS_execve, (long)program, (long)argv, (long)env);
}

void filter_exit(const struct plan *plan)
{
	if (plan->security.flags & PLAN_FILTER_HAS_PASS)
		call(plan, SYS_exit_group, 127, 0, 0);
}

static bool is_added(const struct plan *plan, int number)
{
	for (uint32_t i = 0; i < plan->added_count; i++)
		if ((int)plan->added[i].number == number)
			return true;
	return false;
}

int filter_keep_channel(const struct job *job)
{
	int channel = job->channel;
	if (!(job->plan->security.flags & PLAN_FILTER_NOTIFIES))
		return channel;
	while (channel >= 0 && is_added(job->plan, channel))
		channel = fcntl(job->channel, F_DUPFD_CLOEXEC, channel + 1);
	return channel < 0 ? fail(VISO_STAGE_SECCOMP, 0, "dup") : channel;
}

/* As report_fd(), by a call of its own that the filter lets through. */
static int send_listener(const struct plan *plan, int channel, int listener)
{
	struct report report;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr message;
	struct iovec iov = {.iov_base = &report, .iov_len = sizeof(report)};
	/* All of it, the gaps in the C library's structures included: the kernel's have none. */
	memset(&report, 0, sizeof(report));
	memset(&control, 0, sizeof(control));
	memset(&message, 0, sizeof(message));
	report.kind = REPORT_FD;
	report.fd_kind = REPORT_FD_NOTIFICATION;
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &listener, sizeof(listener));
	return call(plan, SYS_sendmsg, channel, (long)&message, MSG_NOSIGNAL) < 0
		       ? fail(VISO_STAGE_SECCOMP, 0, "sendmsg")
		       : 0;
}

int set_filter(const struct job *job, int channel)
{
	const struct plan *plan = job->plan;
	struct sock_fprog program = {
		.len = (unsigned short)plan->security.filter_count,
		.filter = (struct sock_filter *)plan_string(plan, plan->security.filter),
	};
	unsigned long flags = plan->security.filter_flags;
	if (!plan->security.filter_count)
		return 0;
	if (!(plan->security.flags & PLAN_FILTER_NOTIFIES))
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0
			       ? fail(VISO_STAGE_SECCOMP, 0, "seccomp")
			       : 0;
	flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	/* Before Linux 5.19 a signal makes a call start anew that the host has seen already. */
	int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				    flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
	if (listener < 0 && errno == EINVAL)
		listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	/* Close-on-exec as the kernel makes it. */
	return listener < 0 ? fail(VISO_STAGE_SECCOMP, 0, "seccomp listener") : send_listener(plan, channel, listener);
}
