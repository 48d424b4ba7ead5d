/* SPDX-License-Identifier: MIT */
/*
 * Ending a container that has joined a pid namespace: there its init is not the first process, so the kernel ends
 * nothing with it. The init is the subreaper of all that it starts, and ends it. Where the init itself was killed, the
 * worker, and where that was killed, too, the launcher's main finds what is left by its namespaces, which are the
 * container's own: the mount namespace, or the user namespace or one below it.
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

/* The user namespaces of a process and above it, as far as they can be seen from here. */
static bool is_in_user_namespace(const char *path, uint64_t wanted)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool found = false;
	while (fd >= 0 && fstat(fd, &st) == 0 && !(found = st.st_ino == wanted)) {
		int parent = ioctl(fd, NS_GET_PARENT);
		close(fd);
		fd = parent;
	}
	close_quietly(fd);
	return found;
}

static bool is_member(const char *pid, const struct start_page *page)
{
	char path[64];
	struct stat st;
	/* What has ended and was not reaped has no mount namespace any more. */
	snprintf(path, sizeof(path), "/proc/%.16s/ns/mnt", pid);
	if (stat(path, &st) < 0)
		return false;
	if (st.st_ino == page->members_mount)
		return true;
	snprintf(path, sizeof(path), "/proc/%.16s/ns/user", pid);
	return page->members_user && is_in_user_namespace(path, page->members_user);
}

/* True where there was one. */
static bool kill_member(const char *name, const struct start_page *page)
{
	if (name[0] < '1' || name[0] > '9' || !is_member(name, page))
		return false;
	int pidfd = (int)syscall(SYS_pidfd_open, atoi(name), 0);
	/* Asked again, since the number may be another process's by now. */
	bool member = pidfd >= 0 && is_member(name, page);
	if (member)
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	close_quietly(pidfd);
	return member;
}

void members_note(const struct plan *plan, pid_t init)
{
	char path[64];
	struct stat st;
	if (!plan->namespaces.joined[VISO_NAMESPACE_PID])
		return;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)init);
	if (plan_owns_namespace(plan, VISO_NAMESPACE_USER) && stat(path, &st) == 0)
		worker.page->members_user = st.st_ino;
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)init);
	if (stat(path, &st) == 0)
		worker.page->members_mount = st.st_ino;
}

void members_kill(const struct start_page *page)
{
	enum { ROUNDS = 5000 };
	bool found = page->members_mount != 0;
	for (int round = 0; found && round < ROUNDS; round++) {
		DIR *processes = opendir("/proc");
		found = false;
		for (struct dirent *entry; processes && (entry = readdir(processes));)
			found |= kill_member(entry->d_name, page);
		if (processes)
			closedir(processes);
		if (found)
			usleep(1000);
	}
}

void members_end_children(void)
{
	enum { ROUNDS = 1000 };
	for (int round = 0; round < ROUNDS;) {
		pid_t pid = waitpid(-1, NULL, __WALL | WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return;
		if (pid > 0)
			continue;
		kill_children(NULL);
		usleep(1000);
		round++;
	}
}
