/* SPDX-License-Identifier: MIT */
/*
 * A template: a mount namespace with all mounts of a prepared container that no program can change, whatever its
 * capabilities. The root and /dev are read-only there, and become locked so in a copy that another user namespace owns
 * (mount_namespaces(7)). The clone that makes a container's namespaces copies it, in place of the host's mounts; the
 * init adds what programs write to (mounts_add_own_parts()).
 *
 * What makes the template has the ids of the containers, but a user namespace of its own: none of them has a capability
 * over it, or over the superblocks in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "launcher.h"

static struct {
	int mounts; /* -1 where there is none */
	dev_t device;
	ino_t inode; /* of the root in it */
} template = {.mounts = -1};

/* Where the worker itself is at home. */
static struct {
	int mounts;
	int root; /* may be below that of the namespace */
} home = {.mounts = -1, .root = -1};

int template_find_home(void)
{
	if (home.mounts < 0)
		home.mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (home.root < 0)
		home.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return home.mounts < 0 || home.root < 0 ? fail(VISO_STAGE_NAMESPACE, 0, "mnt") : 0;
}

static _Noreturn void build(struct job *job, int done)
{
	container_end_with_worker();
	container_wait_for_maps();
	if (container_take_inner_root(job->plan) < 0 || mounts_enter(job) < 0 || write(done, "", 1) != 1)
		_exit(127);
	for (;;)
		pause();
}

/* The mount namespace of a process that has made all mounts; -1 where it has failed, which it has noted. */
static int fetch(const struct job *job, int done)
{
	char path[64], byte;
	if (read(done, &byte, 1) != 1)
		return fail(VISO_STAGE_MOUNT, ECHILD, "template"); /* unless it has noted why */
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", job->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? fail(VISO_STAGE_NAMESPACE, 0, "mnt") : fd;
}

/* The pid namespace is for its /proc, which must be there for another one to be mounted, and is empty when it is. */
static int build_in_child(struct job *job)
{
	struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, .exit_signal = SIGCHLD};
	int done[2];
	if (pipe2(done, O_CLOEXEC) < 0)
		return fail(VISO_STAGE_LAUNCHER, 0, "pipe2");
	job->pid = (int)syscall(SYS_clone3, &args, sizeof(args));
	if (job->pid == 0)
		build(job, done[1]);
	int namespace = job->pid < 0 ? fail(VISO_STAGE_USER_NAMESPACE, 0, "clone") : -1;
	close(done[1]);
	if (job->pid > 0) {
		if (container_write_maps(job) == 0)
		namespace = fetch(job, done[0]);
		kill(job->pid, SIGKILL);
		while (waitpid(job->pid, NULL, __WALL) < 0 && errno == EINTR)
			;
		job->pid = 0;
	}
	close(done[0]);
	return namespace;
}

int template_make(struct job *job)
{
	struct stat st;
	if (template_find_home() < 0 || fstat(job->root, &st) < 0)
		return fail(VISO_STAGE_ROOT, 0, "root");
	if (template.mounts >= 0 && st.st_dev == template.device && st.st_ino == template.inode)
		return 0;
	template_drop();
	if ((job->root_copy = mounts_copy_root(job)) < 0)
		return -1;
	job->builds_template = true;
	template.mounts = build_in_child(job);
	job->builds_template = false;
	job->root_copy = close_quietly(job->root_copy);
	template.device = st.st_dev;
	template.inode = st.st_ino;
	/* What happened to the maps is not the job's that may follow. */
	atomic_store(&worker.page->maps_written, 0);
	return template.mounts < 0 ? -1 : 0;
}

void template_drop(void)
{
	template.mounts = close_quietly(template.mounts);
}

int template_enter(void)
{
	return setns(template.mounts, CLONE_NEWNS) < 0 ? fail(VISO_STAGE_NAMESPACE, 0, "setns") : 0;
}

void template_leave(void)
{
	/* A worker that cannot come back is of no use, and what it has just cloned ends with it. */
	if (setns(home.mounts, CLONE_NEWNS) < 0 || fchdir(home.root) < 0 || chroot(".") < 0)
		_exit(1);
}
