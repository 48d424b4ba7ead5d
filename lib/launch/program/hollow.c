/* SPDX-License-Identifier: MIT */
/*
 * A mount namespace with next to nothing in it, which the plain containers of this launcher are cloned from in place of
 * the host's. The kernel need not copy the host's mounts then, nor look at each process of the host whether its root is
 * one of them, as pivot_root(2) does (chroot_fs_refs() in fs/fs_struct.c), which takes longer the more processes there
 * are.
 *
 * The root of a container is attached upon the root that is here: a read-only tmpfs with an empty /proc and the devices
 * that every container has. As with what pivot_root leaves below, only who may unmount the root could come to see it,
 * and in a container that has such a capability the old way is taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <virtiso/container_namespaces.h>

#include "mount/mounts.h"

enum { NOT_WANTED, WANTED, FAILED, THERE };

/* Where a host process starts one container only, it would take longer to make than it saves. */
enum { STARTS_BEFORE = 2 };

static struct launcher_shared *shared;
static int wake_main;
static int hollow = -1;

/* Where main has ended before it could be followed, nobody reads. */
static _Noreturn void build(const int done[2])
{
	static struct start_page page; /* where failures are noted, which nobody reads */
	worker.page = &page;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "viso-hollow");
	close(done[0]);
	if (mounts_enter_hollow() < 0 || write(done[1], "", 1) != 1)
		_exit(127);
	for (;;)
		pause();
}

/* The pid namespace is for its /proc, which is empty when the namespace is. */
static int make(void)
{
	struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWPID, .exit_signal = SIGCHLD};
	char path[64], byte;
	int done[2], fd = -1;
	if (pipe2(done, O_CLOEXEC) < 0)
		return -1;
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		build(done);
	close(done[1]);
	if (pid > 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		if (read(done[0], &byte, 1) == 1)
			fd = open(path, O_RDONLY | O_CLOEXEC);
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
	close(done[0]);
	return fd;
}

void hollow_make_where_wanted(struct launcher_shared *with_workers)
{
	if (atomic_load(&with_workers->hollow) != WANTED)
		return;
	int fd = make();
	hollow = fd; /* of the workers to come */
	atomic_store(&with_workers->hollow, fd < 0 ? FAILED : THERE + fd);
}

void hollow_ask_by(struct launcher_shared *with_main, int wake)
{
	shared = with_main;
	wake_main = wake;
}

static void ask_main(void)
{
	uint64_t one = 1;
	if (atomic_fetch_add(&shared->container_starts, 1) != STARTS_BEFORE - 1)
		return;
	atomic_store(&shared->hollow, WANTED);
	(void)!write(wake_main, &one, sizeof(one));
}

/* By main's fd, where this worker has not inherited it. */
static bool find(void)
{
	char path[64];
	int state = shared ? atomic_load(&shared->hollow) : FAILED;
	if (state == NOT_WANTED)
		ask_main();
	if (state < THERE || hollow >= 0)
		return hollow >= 0;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", worker.launcher_pid, state - THERE);
	hollow = open(path, O_RDONLY | O_CLOEXEC);
	return hollow >= 0;
}

/* Nothing is mounted but what every container has. */
static bool mounts_are_plain(const struct plan_mounts *mounts)
{
	return !mounts->count && !mounts->read_only.count && !mounts->masked.count && !mounts->layer_count &&
	       mounts->upper == PLAN_UPPER_NONE;
}

/* With another owner the mounts would be locked otherwise; what joins namespaces does not come here (clone_init()). */
static bool namespaces_are_plain(const struct plan *plan)
{
	return !plan->namespaces.clock_offsets && !plan->namespaces.sysctls.count &&
	       plan_owns_namespace(plan, VISO_NAMESPACE_MOUNT) && plan_owns_namespace(plan, VISO_NAMESPACE_USER) &&
	       plan_owns_namespace(plan, VISO_NAMESPACE_PID);
}

/*
 * Nothing needs the mounts of the host any more: hooks run among them, time offsets and kernel parameters are written
 * by the host's /proc, an ordinary user's root is looked up there. And nobody in the container could unmount its root,
 * which only pivot_root(2) locks.
 */
static bool suits(const struct job *job)
{
	const struct plan *plan = job->plan;
	return worker.owns_ids && !job->has_template && !plan->hooks.count && !(plan->flags & PLAN_INSTANCE) &&
	       !(plan->pool.flags & POOL_PREPARED) && !mount_needs_lock(plan) && mounts_are_plain(&plan->mounts) &&
	       namespaces_are_plain(plan) && find();
}

int hollow_enter(struct job *job)
{
	if (!suits(job))
		return 0;
	if (template_find_home() < 0)
		return -1;
	if (setns(hollow, CLONE_NEWNS) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "setns");
	job->in_hollow = true;
	return 0;
}

int hollow_enter_root(const struct job *job)
{
	if (!job->in_hollow)
		return 0;
	if (fchdir(job->root_copy) < 0 || chroot(".") < 0)
		return fail(VISO_STAGE_PIVOT, 0, "chroot");
	return 0;
}
