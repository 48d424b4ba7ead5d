/* SPDX-License-Identifier: MIT */
/* Cloning the first process of a job. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/wait.h>
#include <virtiso/container_namespaces.h>

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

int fail_clone(void)
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
	job->program_parent = worker.pid;
	if (job_has_namespace(job))
		return start_jail_in_namespace(job);
	/*
	 * Where the host wants to know of the start, clone returns when the program is executing or the failure is in
	 * the page. Else the worker goes on at once and learns of either by the end, which saves a wake-up; until then
	 * it changes nothing that the child reads.
	 */
	bool report = job->plan->flags & PLAN_REPORT_START;
	/* The score would be set for all who share the memory, but for a vfork (__set_oom_adj() in fs/proc/base.c). */
	int wait = report || (job->plan->attributes.set & PLAN_OOM_SCORE_ADJ) ? CLONE_VFORK : 0;
	job->pid = clone(jail_child, worker.child_stack, CLONE_VM | wait | CLONE_PIDFD | SIGCHLD, job, &job->pidfd);
	if (job->pid < 0)
		return fail(VISO_STAGE_CLONE, 0, "clone");
	return wait && worker.page->failure.error ? failed_start(job) : 0;
}

/* clone(2) cannot enter a cgroup. */
pid_t clone_into_group(int group, uint64_t flags, int *out_pidfd, pid_t *out_pid)
{
	struct clone_args args = {
		.flags = flags | (out_pid ? 0 : CLONE_PIDFD),
		.pidfd = (uint64_t)(uintptr_t)out_pidfd,
		.parent_tid = (uint64_t)(uintptr_t)out_pid,
		.exit_signal = out_pid ? 0 : SIGCHLD, /* by CLONE_PARENT it is the caller's own */
	};
	if (group >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

pid_t clone_container(struct job *job, uint64_t flags, pid_t *out_pid)
{
	return clone_into_group(cgroups_version_2(job->cgroups), flags, &job->pidfd, out_pid);
}

static uint64_t new_namespaces(const struct job *job)
{
	static const uint64_t flags[PLAN_NAMESPACES] = {
		[VISO_NAMESPACE_MOUNT] = CLONE_NEWNS,  [VISO_NAMESPACE_PID] = CLONE_NEWPID,
		[VISO_NAMESPACE_IPC] = CLONE_NEWIPC,   [VISO_NAMESPACE_UTS] = CLONE_NEWUTS,
		[VISO_NAMESPACE_USER] = CLONE_NEWUSER, [VISO_NAMESPACE_CGROUP] = CLONE_NEWCGROUP,
	};
	uint64_t all = 0;
	for (unsigned kind = 0; kind < PLAN_NAMESPACES; kind++)
		if (plan_owns_namespace(job->plan, kind))
			all |= flags[kind];
	/* Its own cgroup must be entered before the cgroup namespace is made: then the init makes it. */
	return has_cgroups(job->cgroups) ? all & ~(uint64_t)CLONE_NEWCGROUP : all;
}

static pid_t clone_init(struct job *job)
{
	uint64_t flags = new_namespaces(job);
	if (join_any(job->plan))
		return join_and_clone(job, flags);
	if (pool_enter(job) < 0)
		return -1;
	pid_t pid = clone_container(job, flags, NULL);
	if (pid == 0)
		container_init(job);
	int error = errno;
	pool_leave(job);
	errno = error;
	return pid < 0 ? fail_clone() : pid;
}

int make_ready_pipe(struct job *job)
{
	int ends[2];
	if (!(job->plan->flags & PLAN_REPORT_START) && !job->plan->cpu_time_ns &&
	    !hooks_any(job->plan, VISO_HOOK_POSTSTART))
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(VISO_STAGE_LAUNCHER, 0, "pipe2");
	job->ready = ends[0];
	job->ready_write = ends[1];
	return 0;
}

int start_container(struct job *job)
{
	if (pool_choose(job) < 0)
		return -1;
	/*
	 * Root copies the mounts of the root here, with all its rights: inside it would have to reach the directory as
	 * somebody without any. An ordinary user may copy mounts in a namespace of its own only.
	 */
	if (mounts_hold_upper(job) < 0 ||
	    (worker.owns_ids && !job->has_template && (job->root_copy = mounts_copy_root(job)) < 0))
		return -1;
	if (make_ready_pipe(job) < 0 || hooks_prepare(job) < 0)
		return -1;
	job->pid = clone_init(job);
	if (job->pid < 0) {
		hooks_release(job);
		return -1;
	}
	note_step(VISO_STEP_CLONED);
	job->hooks_begun = job->plan->hooks.count > 0;
	bool from_outside = attributes_any(job->plan) && !join_any(job->plan);
	if (members_note(job->plan, job->pid) < 0 || (from_outside && attributes_apply_to(job->plan, job->pid) < 0) ||
	    container_write_maps(job) < 0 || hooks_serve_init(job) < 0) {
		hooks_release(job);
		kill(job->pid, SIGKILL);
		failed_start(job);
		members_finish(job);
		return -1;
	}
	return 0;
}

int start_job(struct job *job)
{
	if (job->plan->isolation == PLAN_JAIL)
		return start_jail(job);
	return worker.instance ? joined_start(job) : start_container(job);
}
