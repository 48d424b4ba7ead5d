/* SPDX-License-Identifier: MIT */
/* Cloning the first process of a job. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/wait.h>

#include "launcher.h"

/* A child that failed before exec has noted why in the shared page; one that was killed meanwhile has not. */
static int failed_start(struct job *job)
{
	int status;
	while (waitpid(job->pid, &status, __WALL) < 0 && errno == EINTR)
		;
	job->pid = 0;
	return -1;
}

static int fail_clone(void)
{
	bool namespace = errno == EINVAL || errno == EPERM || errno == ENOSPC || errno == EUSERS;
	return fail(namespace ? VISO_STAGE_USER_NAMESPACE : VISO_STAGE_CLONE, 0, "clone");
}

/*
 * An ordinary user may chroot in a user namespace. Its program has memory of its own from the beginning: what it does
 * about it before exec would keep the worker from writing the id maps of the next one (PR_SET_DUMPABLE(2const)).
 */
static int start_jail_in_namespace(struct job *job)
{
	int wait = job->plan->flags & PLAN_REPORT_START ? CLONE_VFORK : 0;
	job->pid = clone(jail_child, worker.child_stack, CLONE_NEWUSER | CLONE_NEWNS | wait | CLONE_PIDFD | SIGCHLD,
			 job, &job->pidfd);
	if (job->pid < 0)
		return fail_clone();
	return wait && worker.page->failure.error ? failed_start(job) : 0;
}

static int start_jail(struct job *job)
{
	if (job_has_namespace(job))
		return start_jail_in_namespace(job);
	/*
	 * Where the host wants to know of the start, clone returns when the program is executing or the failure is in
	 * the page. Else the worker goes on at once and learns of either by the end, which saves a wake-up; until then
	 * it changes nothing that the child reads.
	 */
	int wait = job->plan->flags & PLAN_REPORT_START ? CLONE_VFORK : 0;
	job->pid = clone(jail_child, worker.child_stack, CLONE_VM | wait | CLONE_PIDFD | SIGCHLD, job, &job->pidfd);
	if (job->pid < 0)
		return fail(VISO_STAGE_CLONE, 0, "clone");
	return wait && worker.page->failure.error ? failed_start(job) : 0;
}

/* clone3 as fork does it, with the namespaces; clone(2) cannot enter a cgroup. */
static int clone_container(struct job *job, uint64_t namespaces)
{
	struct clone_args args = {
		.flags = namespaces | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&job->pidfd,
		.exit_signal = SIGCHLD,
	};
	int group = cgroups_version_2(job->cgroups);
	if (group >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group;
	}
	return (int)syscall(SYS_clone3, &args, sizeof(args));
}

static int start_container(struct job *job)
{
	uint64_t namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
	/* Its own cgroup must be entered before the cgroup namespace is made: then the init makes it. */
	if (!has_cgroups(job->cgroups))
		namespaces |= CLONE_NEWCGROUP;

	if (pool_choose(job) < 0)
		return -1;
	/*
	 * Root copies the mounts of the root here, with all its rights: inside it would have to reach the directory as
	 * somebody without any. An ordinary user may copy mounts in a namespace of its own only.
	 */
	if (worker.owns_ids && !job->has_template && (job->root_copy = mounts_copy_root(job)) < 0)
		return -1;
	if (job->plan->flags & PLAN_REPORT_START || job->plan->cpu_time_ns) {
		int ends[2];
		if (pipe2(ends, O_CLOEXEC) < 0)
			return fail(VISO_STAGE_LAUNCHER, 0, "pipe2");
		job->ready = ends[0];
		job->ready_write = ends[1];
	}
	if (pool_enter(job) < 0)
		return -1;
	job->pid = clone_container(job, namespaces);
	if (job->pid == 0)
		container_init(job);
	int error = errno;
	pool_leave(job);
	errno = error;
	if (job->pid < 0)
		return fail_clone();
	note_step(VISO_STEP_CLONED);
	if (container_write_maps(job) < 0) {
		kill(job->pid, SIGKILL);
		return failed_start(job);
	}
	return 0;
}

int start_job(struct job *job)
{
	return job->plan->isolation == PLAN_JAIL ? start_jail(job) : start_container(job);
}
