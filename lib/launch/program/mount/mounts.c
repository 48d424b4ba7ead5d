/* SPDX-License-Identifier: MIT */
/*
 * The file systems of a container, in the order in which they are made.
 *
 * proc is mounted while the host's own /proc is still there: the kernel allows it to a user namespace only then
 * (mount_too_revealing in fs/namespace.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mount/mounts.h"

int mounts_copy_root(struct job *job)
{
	int fd = root_copy(job);
	if (fd >= 0 && worker.owns_ids && job->plan->mounts.count && extra_copy_sources(job) < 0)
		return close_quietly(fd);
	return fd;
}

bool mounts_need_network(const struct plan *plan)
{
	for (uint32_t i = 0; i < plan->mounts.count; i++) {
		const struct plan_mount *mount = plan_mount_at(plan, i);
		if (mount->kind == PLAN_MOUNT_FILESYSTEM && !strcmp(plan_string(plan, mount->data), "sysfs"))
			return true;
	}
	return false;
}

int mounts_new_proc(void)
{
	return mount_new("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, "proc");
}

static int mount_proc(const struct job *job, int root)
{
	int mount_fd = job->proc >= 0 ? job->proc : mounts_new_proc();
	return mount_fd < 0 ? -1 : target_attach(mount_fd, root, "proc");
}

static int mount_tmp(int root, uint64_t memory_max)
{
	char size[24];
	snprintf(size, sizeof(size), "%llu", (unsigned long long)memory_max);
	/* Without a limit the kernel's default holds: half of the memory. */
	const struct option options[] = {{"mode", "1777"}, {memory_max ? "size" : NULL, size}, {NULL, NULL}};
	int mount_fd = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "tmp");
	if (mount_fd < 0)
		return -1;
	target_own(mount_fd);
	return target_attach(mount_fd, root, "tmp");
}

/*
 * Takes off all of the old root. What was stacked upon it is over it still, and would be taken off in its place: then
 * the host's root would lie over the container's, where "/.." leads. So it is looked up from the old root itself, until
 * that is of no mount namespace any more.
 */
static int leave_old_root(int old)
{
	if (fchdir(old) < 0)
		return fail(VISO_STAGE_PIVOT, 0, "fchdir");
	while (umount2(".", MNT_DETACH) == 0)
		;
	return errno == EINVAL ? 0 : fail(VISO_STAGE_PIVOT, 0, "umount2");
}

/* Attached over the host's root: from here on only descriptors lead out, and they are closed on exec. */
static int pivot(int root)
{
	int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (old < 0 || fchdir(root) < 0)
		return fail(VISO_STAGE_PIVOT, 0, "fchdir");
	/* The old root is stacked on the new one and taken off again (pivot_root(2), NOTES). */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return fail(VISO_STAGE_PIVOT, 0, "pivot_root");
	int r = leave_old_root(old);
	close(old);
	if (r == 0 && chdir("/") < 0)
		return fail(VISO_STAGE_PIVOT, 0, "chdir");
	return r;
}

/* The root, attached over the host's. 0, or -1 with the failure noted. */
static int attach_root(const struct plan *plan, int root)
{
	if (mount_stack(root) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "move_mount");
	if (mount_restrict_attached(root, root_attributes(plan), false) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "remount");
	if (plan->mounts.upper == PLAN_UPPER_DISCARDED || plan->mounts.upper == PLAN_UPPER_DIRECTORY)
		target_own(root);
	return 0;
}

static int fill_root(const struct job *job, int root, int scratch)
{
	bool prepared = job->plan->pool.flags & POOL_PREPARED;
	if (attach_root(job->plan, root) < 0 || mount_proc(job, root) < 0 || mount_dev(root, prepared) < 0 ||
	    (!prepared && mount_tmp(root, job->plan->memory_max) < 0))
		return -1;
	return extra_mount(job, root, scratch);
}

int mounts_add_own_parts(const struct job *job)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fail(VISO_STAGE_MOUNT, 0, "/");
	/* Without a template the container has a /proc of its own already. */
	int r = job->has_template ? mount_proc(job, root) : 0;
	if (r == 0)
		r = mount_pts(root, "dev/pts");
	if (r == 0)
		r = mount_shm(root);
	if (r == 0)
		r = mount_tmp(root, job->plan->memory_max);
	close(root);
	return r;
}

int mounts_enter_hollow(void)
{
	static const struct option options[] = {{"mode", "0755"}, {"size", "64k"}, {NULL, NULL}};
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	int root = mount_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, "/");
	if (root < 0 || mount_stack(root) < 0 || mkdirat(root, "proc", 0755) < 0 || mkdirat(root, "dev", 0755) < 0)
		return -1;
	int proc = mounts_new_proc();
	if (proc < 0 || target_attach(proc, root, "proc") < 0 || mount_dev(root, true) < 0 ||
	    syscall(SYS_mount_setattr, root, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)) < 0)
		return -1;
	return pivot(root);
}

int mounts_enter(const struct job *job)
{
	int root = job->root_copy, scratch;
	/* What is mounted here must not show on the host. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return fail(VISO_STAGE_MOUNT, 0, "/");
	if ((scratch = extra_make_scratch(job->plan)) == -2)
		return -1;
	if (root < 0 && (root = root_copy(job)) < 0)
		return -1;
	int r = fill_root(job, root, scratch) < 0 ? -1 : job->in_hollow ? 0 : pivot(root);
	close(root);
	close_quietly(scratch);
	bool prepared = job->plan->pool.flags & POOL_PREPARED;
	return r < 0 || !prepared || job->builds_template ? r : mounts_add_own_parts(job);
}
