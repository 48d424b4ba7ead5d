/* SPDX-License-Identifier: MIT */
/* Killing the children of a process, among them those that came to it as a subreaper, and others of a uid. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "launcher.h"

static void kill_listed(int directory, const char *path, bool (*spared)(pid_t))
{
	/* The kernel gives whole lines of a page at most; children that are not reaped keep their place from read to
	 * read. */
	char text[8192];
	ssize_t n;
	int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, text, sizeof(text) - 1)) > 0) {
		text[n] = '\0';
		for (char *next = text; *next;) {
			pid_t pid = (pid_t)strtol(next, &next, 10);
			/* A number that is not followed by a space was cut: it is not a pid. */
			if (pid <= 0 || *next++ != ' ')
				break;
			if (!spared || !spared(pid))
				kill(pid, SIGKILL);
		}
	}
	close_quietly(fd);
}

void kill_children(bool (*spared)(pid_t))
{
	kill_listed(AT_FDCWD, "/proc/thread-self/children", spared);
}

/* By its directory in /proc; 0 where it has ended. */
static pid_t parent_of(int process)
{
	char text[512];
	int fd = openat(process, "stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close_quietly(fd);
	text[n > 0 ? n : 0] = '\0';
	/* Its name may hold anything, parentheses too; then come the state and the parent (proc_pid_stat(5)). */
	const char *end = strrchr(text, ')');
	return end && strlen(end) > 4 ? (pid_t)atoi(end + 4) : 0;
}

void kill_children_of(pid_t parent, pid_t grandparent)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d", (int)parent);
	/* The directory stays that of this process, whoever gets its number. */
	int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process >= 0 && parent_of(process) == grandparent) {
		snprintf(path, sizeof(path), "task/%d/children", (int)parent);
		kill_listed(process, path, NULL);
	}
	close_quietly(process);
}

bool process_has_name(pid_t pid, const char *name)
{
	char path[32], text[32];
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close_quietly(fd);
	text[n > 0 ? n - 1 : 0] = '\0'; /* without its newline */
	return !strcmp(text, name);
}

/* A program may have the name, too; being stopped it would not mind. */
static bool is_spared_server(pid_t pid)
{
	return !process_has_name(pid, "viso-worker") || !is_stopped(pid);
}

static bool is_spared_zygote(pid_t pid)
{
	char path[64];
	if (!process_has_name(pid, "viso-zygote"))
		return true;
	if (is_stopped(pid))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	kill_listed(AT_FDCWD, path, is_spared_server);
	return true;
}

void kill_stopped_zygotes(pid_t holder)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)holder, (int)holder);
	kill_listed(AT_FDCWD, path, is_spared_zygote);
}

/*
 * Everything that has the jail's own uid, in one system call that no fork can outrun: kill(-1) holds the lock that fork
 * needs (kernel/signal.c). Only for a uid that nothing else on the host has.
 */
void kill_uid(uint32_t uid)
{
	pid_t killer = fork();
	if (killer == 0) {
		if (syscall(SYS_setresuid, uid, uid, uid) == 0)
			kill(-1, SIGKILL);
		_exit(0);
	}
	if (killer > 0)
		waitpid(killer, NULL, 0);
}

void end_children(const struct job *job, struct report_usage *sum)
{
	/* An ordinary user's programs have the caller's own uid, which others have as well. */
	bool own_uid = worker.owns_ids && !(job->plan->flags & PLAN_HAS_USER);
	struct rusage usage;
	for (int round = 0;; round++) {
		pid_t pid = wait4(-1, NULL, __WALL | WNOHANG, &usage);
		if (pid > 0) {
			add_usage(sum, &usage);
			continue;
		}
		if (pid < 0 && errno == ECHILD)
			return;
		if (round == 0 && own_uid)
			kill_uid(job->host_uid + job->plan->uid);
		if (round == 0)
			cgroups_kill(job->cgroups);
		kill_children(NULL);
		if (round == 0)
			cgroups_thaw(job->cgroups);
		if (round > 10)
			usleep(1000);
	}
}
