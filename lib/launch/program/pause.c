/* SPDX-License-Identifier: MIT */
/* Stopping all processes of a command or an instance, and letting them go on. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "launcher.h"

enum { ROUNDS = 1000 };

/* Below the directory of all threads; what has ended counts, too. */
static bool is_thread_stopped(int tasks, const char *thread)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "%.16s/stat", thread);
	int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close_quietly(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *end = strrchr(text, ')');
	return !end || !end[1] || strchr("TtZX", end[2]);
}

/* The first thread tells little: it may have ended alone, or be traced. */
bool is_stopped(int32_t pid)
{
	char path[64];
	bool stopped = true;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	for (struct dirent *entry; stopped && tasks && (entry = readdir(tasks));)
		if (entry->d_name[0] != '.')
			stopped = is_thread_stopped(dirfd(tasks), entry->d_name);
	if (tasks)
		closedir(tasks);
	return stopped;
}

/*
 * One that was in the midst of a fork when the list was read, and stopped before it was looked at, has a child that is
 * not in the list. So all must stand twice, with the same list: what stood before the second was read starts none.
 */
struct standing {
	int count;
	int32_t pids[PIDS_MAX];
};

static bool stood_before(struct standing *before, const int32_t *pids, int count)
{
	size_t size = (size_t)count * sizeof(*pids);
	bool same = count == before->count && !memcmp(before->pids, pids, size);
	memcpy(before->pids, pids, size);
	before->count = count;
	return same;
}

/* How many do not stand yet; each of them is told to. */
static int stop_all(const int32_t *pids, int count)
{
	int moving = 0;
	for (int i = 0; i < count; i++)
		if (!is_stopped(pids[i])) {
			kill(pids[i], SIGSTOP);
			moving++;
		}
	return moving;
}

static int stop(pid_t ancestor, struct pids_of_ours hidden)
{
	static struct standing before; /* see pids.c about its place */
	before.count = -1;
	for (int round = 0; round < ROUNDS; round++) {
		const int32_t *pids;
		int count;
		pids_find(ancestor, hidden, &pids, &count);
		if (stop_all(pids, count))
			before.count = -1;
		else if (stood_before(&before, pids, count))
			return 0;
		else
			continue;
		usleep(round < 10 ? 100 : 2000);
	}
	return ETIMEDOUT;
}

static void go_on(pid_t ancestor, struct pids_of_ours hidden)
{
	const int32_t *pids;
	int count;
	pids_find(ancestor, hidden, &pids, &count);
	for (int i = 0; i < count; i++)
		kill(pids[i], SIGCONT);
}

int pause_processes(const struct cgroup *groups, pid_t ancestor, struct pids_of_ours hidden)
{
	int r = cgroups_freeze(groups);
	if (r < 0)
		return errno;
	r = r == 0 ? 0 : stop(ancestor, hidden);
	if (r)
		go_on(ancestor, hidden);
	return r;
}

void resume_processes(const struct cgroup *groups, pid_t ancestor, struct pids_of_ours hidden)
{
	cgroups_thaw(groups);
	go_on(ancestor, hidden);
}
