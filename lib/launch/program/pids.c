/* SPDX-License-Identifier: MIT */
/*
 * The processes below one of ours. A list of children is exact only while none of them ends (proc_tid_children(5)): it
 * is read again until two readings agree, or in a hurry goes on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "launcher.h"

enum { READINGS = 8 };

struct found {
	int count; /* may be more than there is room for */
	int32_t pids[PIDS_MAX];
	int32_t parents[PIDS_MAX];
};

static ssize_t read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	close_quietly(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

/* Behind its state; 0 where the text is none. */
static long count_threads(const char *state)
{
	enum { FIELDS_TO_THREADS = 17 };
	for (int i = 0; state && i < FIELDS_TO_THREADS; i++)
		if ((state = strchr(state, ' ')))
			state++;
	return state ? atol(state) : 0;
}

/*
 * What has ended, and only waits to be reaped, is no process any more. The state is that of the first thread, and a
 * program can end that before the others (proc_pid_stat(5)).
 */
static bool is_alive(int32_t pid)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_text(path, text, sizeof(text)) <= 0)
		return false;
	const char *end = strrchr(text, ')');
	if (!end || end[1] != ' ')
		return false;
	return (end[2] != 'Z' && end[2] != 'X') || count_threads(end + 2) > 1;
}

static void add_children(struct found *found, int32_t parent, const char *task)
{
	static char text[65536];
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", parent, task);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	size_t used = 0;
	while (fd >= 0 && used < sizeof(text) - 1 && (n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	close_quietly(fd);
	text[used] = '\0';
	for (char *next = text; *next;) {
		int32_t pid = (int32_t)strtol(next, &next, 10);
		if (pid <= 0 || *next++ != ' ')
			return;
		if (!is_alive(pid))
			continue;
		if (found->count < PIDS_MAX) {
			found->pids[found->count] = pid;
			found->parents[found->count] = parent;
		}
		found->count++;
	}
}

/* A child is listed at the thread that made it. */
static void add_children_of_all_threads(struct found *found, int32_t parent)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", parent);
	DIR *tasks = opendir(path);
	for (struct dirent *entry; tasks && (entry = readdir(tasks));)
		if (entry->d_name[0] != '.')
			add_children(found, parent, entry->d_name);
	if (tasks)
		closedir(tasks);
}

static void find(struct found *found, pid_t ancestor)
{
	found->count = 0;
	add_children_of_all_threads(found, ancestor);
	for (int i = 0; i < found->count && i < PIDS_MAX; i++)
		add_children_of_all_threads(found, found->pids[i]);
}

static bool same(const struct found *a, const struct found *b)
{
	int count = a->count < PIDS_MAX ? a->count : PIDS_MAX;
	return a->count == b->count && !memcmp(a->pids, b->pids, (size_t)count * sizeof(a->pids[0]));
}

static bool is_child_of(const struct found *found, int32_t pid, pid_t parent)
{
	/* What is near to the ancestor stands first. */
	for (int i = 0; i < found->count && i < PIDS_MAX; i++)
		if (found->pids[i] == pid)
			return found->parents[i] == parent;
	return false;
}

static bool is_ours(const struct found *found, int i, struct pids_of_ours ours)
{
	int32_t pid = found->pids[i], parent = found->parents[i];
	if (ours.companion && (pid == ours.companion || parent == ours.companion))
		return true;
	if (!ours.zygote)
		return false;
	if (pid == ours.zygote || parent == ours.zygote)
		return true;
	return ours.init && (pid == ours.init || is_child_of(found, parent, ours.zygote));
}

/* Of the last pids_find(). */
static int attendants;

int pids_count_attendants(pid_t ancestor, struct pids_of_ours ours)
{
	const int32_t *pids;
	int count;
	pids_find(ancestor, ours, &pids, &count);
	return attendants;
}

int pids_find(pid_t ancestor, struct pids_of_ours hidden, const int32_t **out_pids, int *out_count)
{
	static struct found found[2]; /* a host may have limited its data, and so ours, to a megabyte */
	int now = 0, shown = 0;
	if (ancestor > 0)
		find(&found[0], ancestor);
	for (int i = 1; i < READINGS && ancestor > 0; i++) {
		now = i % 2;
		find(&found[now], ancestor);
		if (same(&found[0], &found[1]))
			break;
	}
	const struct found *last = &found[now];
	int32_t *pids = found[!now].pids;
	int count = ancestor > 0 ? last->count : 0;
	attendants = 0;
	for (int i = 0; i < count && i < PIDS_MAX; i++) {
		if (!is_ours(last, i, hidden))
			pids[shown++] = last->pids[i];
		else if (hidden.init && last->pids[i] != hidden.init)
			attendants += is_child_of(last, last->parents[i], hidden.zygote);
	}
	*out_pids = pids;
	*out_count = shown;
	return count > PIDS_MAX ? count : shown;
}

void pids_send(int pipe, pid_t ancestor, struct pids_of_ours hidden)
{
	const int32_t *pids;
	int shown;
	int32_t count = pids_find(ancestor, hidden, &pids, &shown);
	const struct iovec answer[] = {
		{.iov_base = &count, .iov_len = sizeof(count)},
		{.iov_base = (void *)pids, .iov_len = (size_t)shown * sizeof(pids[0])},
	};
	/* A host that does not read it does not keep us. */
	fcntl(pipe, F_SETFL, O_NONBLOCK);
	(void)!writev(pipe, answer, 2);
}

/* The number may be another process's meanwhile, which has another parent. */
static void kill_found(int32_t pid, int32_t parent)
{
	char path[64], text[512];
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	const char *end = read_text(path, text, sizeof(text)) > 0 ? strrchr(text, ')') : NULL;
	/* Behind its name, which may hold anything, come the state and the parent (proc_pid_stat(5)). */
	if (end && strlen(end) > 4 && atoi(end + 4) == parent)
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	close(pidfd);
}

int pids_kill(pid_t ancestor)
{
	static struct found found;
	find(&found, ancestor);
	for (int i = 0; i < found.count && i < PIDS_MAX; i++)
		kill_found(found.pids[i], found.parents[i]);
	return found.count;
}
