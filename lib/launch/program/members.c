/* SPDX-License-Identifier: MIT */
/*
 * Ending a container that has joined a pid namespace: there its init is not the first process, so the kernel ends
 * nothing with it. The init is the subreaper of all that it starts, and ends it. Where the init itself was killed, the
 * worker finds what is left by its namespaces, which are the container's own: the mount namespace, or the user
 * namespace or one below it. It holds them meanwhile, since their numbers are given anew at once.
 *
 * Where the worker was killed, too, nobody holds them. Then main goes by the id of the mount namespace, which is never
 * given again; Linux has it since 6.10. Before, what the program left in the background stays then.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <virtiso/container_namespaces.h>

#include "launcher.h"

#ifndef NS_GET_MNTNS_ID
#define NS_GET_MNTNS_ID _IOR(NSIO, 0x5, uint64_t)
#endif

/* What a process is asked for; -1 or 0 where that is not known. */
struct membership {
	int mount; /* held */
	int user;
	uint64_t mount_id;
};

static struct membership held = {-1, -1, 0};

static int open_namespace(const char *pid, const char *kind)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%.32s/ns/%s", pid, kind);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool is_same(int one, int other)
{
	struct stat a, b;
	return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Of a mount namespace; 0 where the kernel has none. */
static uint64_t get_id(int mount)
{
	uint64_t id;
	return ioctl(mount, NS_GET_MNTNS_ID, &id) == 0 ? id : 0;
}

/* Takes `user` over: whether it, or one above it as far as can be seen from here, is the container's. */
static bool is_below(int user, const struct membership *wanted)
{
	bool found = false;
	while (user >= 0 && !(found = is_same(user, wanted->user))) {
		int parent = ioctl(user, NS_GET_PARENT);
		close(user);
		user = parent;
	}
	close_quietly(user);
	return found;
}

/*
 * What has ended has no mount namespace any more (exit_task_namespaces() in kernel/exit.c). That goes for the first
 * thread as well, which may end before the others; all are of one process, so any of them will do.
 */
static int open_mounts(const char *pid)
{
	char path[64], thread[64];
	int mount = open_namespace(pid, "mnt");
	if (mount >= 0)
		return mount;
	snprintf(path, sizeof(path), "/proc/%.16s/task", pid);
	DIR *tasks = opendir(path);
	for (struct dirent *entry; mount < 0 && tasks && (entry = readdir(tasks));) {
		snprintf(thread, sizeof(thread), "%.8s/task/%.8s", pid, entry->d_name);
		if (entry->d_name[0] != '.')
			mount = open_namespace(thread, "mnt");
	}
	if (tasks)
		closedir(tasks);
	return mount;
}

static bool is_member(const char *pid, const struct membership *wanted)
{
	int mount = open_mounts(pid);
	if (mount < 0)
		return false;
	bool found = wanted->mount >= 0 ? is_same(mount, wanted->mount) : get_id(mount) == wanted->mount_id;
	close(mount);
	return found || (wanted->user >= 0 && is_below(open_namespace(pid, "user"), wanted));
}

/* True where there was one. */
static bool kill_member(const char *name, const struct membership *wanted)
{
	if (name[0] < '1' || name[0] > '9' || !is_member(name, wanted))
		return false;
	int pidfd = (int)syscall(SYS_pidfd_open, atoi(name), 0);
	/* Asked again, since the number may be another process's by now. */
	bool member = pidfd >= 0 && is_member(name, wanted);
	if (member)
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	close_quietly(pidfd);
	return member;
}

/* What forks and ends between the reading of the list and the look at an entry escapes one round, so it takes several.
 */
static void kill_members(const struct membership *wanted)
{
	enum { ROUNDS = 5000, EMPTY_ROUNDS = 4 };
	for (int round = 0, empty = 0; empty < EMPTY_ROUNDS && round < ROUNDS; round++) {
		DIR *processes = opendir("/proc");
		bool found = false;
		for (struct dirent *entry; processes && (entry = readdir(processes));)
			found |= kill_member(entry->d_name, wanted);
		if (processes)
			closedir(processes);
		empty = found ? 0 : empty + 1;
		if (found)
			usleep(1000);
	}
}

/* Nobody else has its ids: then one system call ends all, which no fork can outrun. */
static bool has_own_ids(const struct plan *plan)
{
	return worker.owns_ids && plan_owns_namespace(plan, VISO_NAMESPACE_USER) && !plan->namespaces.uids.count;
}

void members_hold(int mount)
{
	close_quietly(held.mount);
	held.mount = mount;
}

int members_note(const struct plan *plan, pid_t init)
{
	char pid[16];
	if (!plan->namespaces.joined[VISO_NAMESPACE_PID]) {
		held.mount = close_quietly(held.mount);
		return 0;
	}
	snprintf(pid, sizeof(pid), "%d", (int)init);
	if (held.mount < 0)
		held.mount = open_namespace(pid, "mnt");
	if (held.mount < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "ns/mnt");
	if (plan_owns_namespace(plan, VISO_NAMESPACE_USER) && (held.user = open_namespace(pid, "user")) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "ns/user");
	worker.page->members = get_id(held.mount);
	return 0;
}

void members_finish(const struct job *job)
{
	if (held.mount >= 0) {
		if (has_own_ids(job->plan))
			kill_uid(job->host_uid + job->plan->uid);
		kill_members(&held);
	}
	worker.page->members = 0;
	held.mount = close_quietly(held.mount);
	held.user = close_quietly(held.user);
}

void members_kill_left(uint64_t members)
{
	const struct membership left = {-1, -1, members};
	if (members)
		kill_members(&left);
}

void members_end_children(const struct plan *plan)
{
	for (int round = 0;; round++) {
		pid_t pid = waitpid(-1, NULL, __WALL | WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return;
		if (pid > 0)
			continue;
		/* By CAP_KILL all of our user namespace, and by uid nobody else. */
		if (has_own_ids(plan))
			kill(-1, SIGKILL);
		kill_children(NULL);
		if (round > 10)
			usleep(1000);
	}
}
