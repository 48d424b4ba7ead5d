/* SPDX-License-Identifier: MIT */
/*
 * Namespaces that a container joins. A process between, the door, enters them and clones the init as its own sibling
 * (CLONE_PARENT), so that the worker itself goes nowhere and is the parent nevertheless.
 *
 * Who may join a namespace has capabilities in the user namespace that owns it and in the own one (setns(2)): what can
 * be joined with the caller's rights is joined before its user namespace, the rest after.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <virtiso/container_namespaces.h>

#include "launcher.h"

static const struct {
	viso_namespace kind;
	const char *name;
} joins[] = {
	{VISO_NAMESPACE_NETWORK, "viso_container_join_namespace: network"},
	{VISO_NAMESPACE_IPC, "viso_container_join_namespace: IPC"},
	{VISO_NAMESPACE_UTS, "viso_container_join_namespace: UTS"},
	{VISO_NAMESPACE_CGROUP, "viso_container_join_namespace: cgroup"},
	{VISO_NAMESPACE_PID, "viso_container_join_namespace: pid"},
	{VISO_NAMESPACE_TIME, "viso_container_join_namespace: time"},
};
enum { JOINS = sizeof(joins) / sizeof(joins[0]) };
static const char join_user[] = "viso_container_join_namespace: user";

bool join_any(const struct plan *plan)
{
	for (int i = 0; i < PLAN_NAMESPACES; i++)
		if (plan->namespaces.joined[i])
			return true;
	return false;
}

/* Bit by bit of `todo`; those that the kernel refuses for want of rights stay in it where `later` is another chance. */
static int join_all(const struct job *job, unsigned *todo, bool later)
{
	for (int i = 0; i < JOINS; i++) {
		unsigned bit = 1u << joins[i].kind;
		if (!(*todo & bit))
			continue;
		if (setns(job->fds[job->plan->namespaces.joined[joins[i].kind]], 0) == 0)
			*todo &= ~bit;
		else if (errno != EPERM || !later)
			return fail(VISO_STAGE_NAMESPACE, 0, joins[i].name);
	}
	return 0;
}

/*
 * Groups of the caller's would stay for good where the namespace forbids to change them. And who is root there must not
 * reach our memory and fds by ptrace before the program is there, as in CVE-2016-9962: to what is not dumpable only a
 * capability in the worker's user namespace gives access.
 *
 * The mount namespace is made here, where we can hold it for members.c: later, it could not be opened for the same
 * reason.
 */
static int enter_user_namespace(const struct job *job, uint32_t fd)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (worker.owns_ids && syscall(SYS_setgroups, (size_t)0, NULL) < 0)
		return fail(VISO_STAGE_CREDENTIALS, 0, "setgroups");
	/* Who is privileged there might trace us, and we have fds of the host (CVE-2016-9962). */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (setns(job->fds[fd], CLONE_NEWUSER) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, join_user);
	if (unshare(CLONE_NEWNS) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "mount");
	worker.page->mount_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return worker.page->mount_fd < 0 ? fail(VISO_STAGE_NAMESPACE, 0, "ns/mnt") : 0;
}

/*
 * A procfs belongs to the owner of its pid namespace: the container's init, in a user namespace of its own, may not
 * make it. It shows the namespace of the process that makes it, which is a child of ours, with our fds.
 */
static int make_proc(struct job *job)
{
	pid_t maker = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (maker == 0) {
		worker.page->proc_fd = mounts_new_proc();
		_exit(0);
	}
	if (maker < 0)
		return fail(VISO_STAGE_CLONE, 0, "clone");
	while (waitpid(maker, NULL, __WALL) < 0 && errno == EINTR)
		;
	job->proc = worker.page->proc_fd;
	return job->proc < 0 ? fail(VISO_STAGE_MOUNT, ECHILD, "proc") : 0; /* unless it has noted why */
}

static int enter(struct job *job)
{
	const uint32_t *joined = job->plan->namespaces.joined;
	uint32_t user = joined[VISO_NAMESPACE_USER];
	unsigned todo = 0;
	for (int i = 0; i < JOINS; i++)
		if (joined[joins[i].kind])
			todo |= 1u << joins[i].kind;
	if (join_all(job, &todo, user != 0) < 0)
		return -1;
	if (worker.owns_ids && joined[VISO_NAMESPACE_PID] && make_proc(job) < 0)
		return -1;
	if (user && enter_user_namespace(job, user) < 0)
		return -1;
	return join_all(job, &todo, false);
}

static _Noreturn void door_main(struct job *job, uint64_t flags)
{
	struct start_page *page = worker.page;
	if (attributes_apply(job->plan) < 0 || enter(job) < 0)
		_exit(1);
	if (!plan_owns_namespace(job->plan, VISO_NAMESPACE_USER))
		flags &= ~(uint64_t)CLONE_NEWNS;
	/* The kernel writes its pid before anything else happens, so nothing that runs is ever unknown. */
	pid_t pid = clone_container(job, flags | CLONE_PARENT | CLONE_PARENT_SETTID, &page->init_pid);
	if (pid == 0)
		container_init(job);
	if (pid < 0)
		fail_clone();
	_exit(0);
}

pid_t join_and_clone(struct job *job, uint64_t flags)
{
	worker.page->proc_fd = worker.page->mount_fd = -1;
	/* With our fds, for those that it opens. */
	pid_t door = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (door == 0)
		door_main(job, flags);
	if (door < 0)
		return fail(VISO_STAGE_CLONE, 0, "clone");
	while (waitpid(door, NULL, __WALL) < 0 && errno == EINTR)
		;
	close_quietly(worker.page->proc_fd);
	members_hold(worker.page->mount_fd);
	pid_t pid = worker.page->init_pid;
	if (pid <= 0) {
		members_hold(-1);
		return fail(VISO_STAGE_CLONE, ECHILD, "door"); /* unless it has noted why */
	}
	/* It is our child, so the number is its own. */
	job->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (job->pidfd < 0) {
		fail(VISO_STAGE_CLONE, 0, "pidfd_open");
		kill(pid, SIGKILL);
		waitpid(pid, NULL, __WALL);
		members_hold(-1);
		return -1;
	}
	return pid;
}
