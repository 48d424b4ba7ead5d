/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/agent/program/agent.h"

struct process {
	pid_t pid, parent;
	bool is_ours;
};

/* False where it has gone, or is a zombie. */
static bool read_process(const char *name, struct process *out)
{
	char path[300], text[512], state;
	int parent;
	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* Its name may contain anything, also brackets (proc_pid_stat(5)). */
	const char *after = strrchr(text, ')');
	if (!after || sscanf(after + 1, " %c %d", &state, &parent) != 2 || state == 'Z' || state == 'X')
		return false;
	*out = (struct process){.pid = atoi(name), .parent = parent};
	return true;
}

static size_t read_processes(struct process **out)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	size_t count = 0, room = 0;
	struct process *list = NULL, found;
	for (struct dirent *entry; proc && (entry = readdir(proc));) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || !read_process(entry->d_name, &found))
			continue;
		if (count == room) {
			struct process *larger = realloc(list, (room = 2 * room + 256) * sizeof(*list));
			if (!larger)
				break;
			list = larger;
		}
		list[count++] = found;
	}
	*out = list;
	return count;
}

static bool is_ours(const struct process *list, size_t count, pid_t parent)
{
	if (parent == getpid())
		return true;
	for (size_t i = 0; i < count; i++)
		if (list[i].pid == parent)
			return list[i].is_ours;
	return false;
}

int signal_descendants(int signal)
{
	struct process *list;
	size_t count = read_processes(&list);
	int found = 0;
	for (bool grows = true; grows;) {
		grows = false;
		for (size_t i = 0; i < count; i++)
			if (!list[i].is_ours && is_ours(list, count, list[i].parent))
				list[i].is_ours = grows = true;
	}
	for (size_t i = 0; i < count; i++)
		if (list[i].is_ours) {
			kill(list[i].pid, signal);
			found++;
		}
	free(list);
	return found;
}
