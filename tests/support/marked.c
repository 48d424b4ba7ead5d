/* SPDX-License-Identifier: MIT */
#include "marked.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

static time_t first_mark;

/* An even one, since a test may have the one below for itself as well. */
static unsigned any_mark(void)
{
	unsigned number;
	assert_int_equal(getrandom(&number, sizeof(number), 0), sizeof(number));
	/* Below the kernel's default of 819200, so that an ordinary user may set it. */
	return 1002 + number % 400000 * 2;
}

void mark_this_process(unsigned mark)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_MSGQUEUE, &limit), 0);
	limit.rlim_cur = mark;
	assert_int_equal(setrlimit(RLIMIT_MSGQUEUE, &limit), 0);
}

static bool is_marked(const char *pid, unsigned mark)
{
	char path[64], line[256];
	unsigned value = 0;
	snprintf(path, sizeof(path), "/proc/%.20s/limits", pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Max msgqueue size %u", &value) == 1)
			break;
	if (file)
		fclose(file);
	return value == mark;
}

/* "name (state)"; false where the process is gone or a zombie, which is as good. */
static bool read_name(const char *pid, char name[32])
{
	char path[64], text[256] = "";
	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	FILE *file = fopen(path, "re");
	if (file) {
		(void)!fgets(text, sizeof(text), file);
		fclose(file);
	}
	char *begin = strchr(text, '('), *end = strrchr(text, ')');
	if (!begin || !end || end[2] == 'Z' || end[2] == 'X')
		return false;
	*end = '\0';
	snprintf(name, 32, "%.31s", begin + 1);
	return true;
}

int marked_processes(unsigned mark, const char *name, pid_t except, pid_t *pids, int max)
{
	int count = 0;
	char found[32];
	DIR *dir = opendir("/proc");
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		pid_t pid = atoi(entry->d_name);
		if (pid <= 0 || pid == except || !is_marked(entry->d_name, mark) || !read_name(entry->d_name, found) ||
		    (name && strcmp(found, name)))
			continue;
		if (pids && count < max)
			pids[count] = pid;
		count++;
	}
	closedir(dir);
	return count;
}

unsigned mark_new(void)
{
	if (!first_mark)
		first_mark = time(NULL);
	unsigned mark;
	do
		mark = any_mark();
	while (marked_processes(mark, NULL, 0, NULL, 0) || marked_processes(mark - 1, NULL, 0, NULL, 0));
	return mark;
}

void assert_no_marked(unsigned mark)
{
	pid_t pids[64];
	char name[32], text[16];
	int count = 0;
	for (int i = 0; i < 3000; i++) {
		count = marked_processes(mark, NULL, getpid(), pids, 64);
		if (count == 0)
			return;
		usleep(10000);
	}
	for (int i = 0; i < count && i < 64; i++) {
		snprintf(text, sizeof(text), "%d", (int)pids[i]);
		if (read_name(text, name))
			print_error("left: %s %s\n", text, name);
		kill(pids[i], SIGKILL);
	}
	fail_msg("%d processes are left", count);
}

static bool is_of(const char *group, const pid_t *pids, int count)
{
	int pid = 0;
	if (sscanf(strrchr(group, '/'), "/viso-%d-", &pid) != 1)
		return false;
	if (!pids)
		return kill(pid, 0) < 0 && errno == ESRCH;
	for (int i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static int find_cgroups(const pid_t *pids, int count, bool tell)
{
	/* The groups of this machine are not deep; version 1 has the controller's name in the path. */
	static const char *const places[] = {"/sys/fs/cgroup/viso-*", "/sys/fs/cgroup/*/viso-*",
					     "/sys/fs/cgroup/*/*/viso-*", "/sys/fs/cgroup/*/*/*/viso-*"};
	int left = 0;
	glob_t found = {0};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		glob(places[i], i ? GLOB_APPEND : 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct stat st;
		/* An older one is of another process that had this number. */
		if (!is_of(found.gl_pathv[i], pids, count) || stat(found.gl_pathv[i], &st) < 0 ||
		    st.st_ctime < first_mark)
			continue;
		if (tell)
			print_error("left: %s\n", found.gl_pathv[i]);
		left++;
	}
	globfree(&found);
	return left;
}

int cgroups_left(const pid_t *pids, int count)
{
	return find_cgroups(pids, count, true);
}

void assert_no_cgroups(const pid_t *pids, int count)
{
	for (int i = 0; i < 3000 && find_cgroups(pids, count, false) > 0; i++)
		usleep(10000);
	assert_int_equal(cgroups_left(pids, count), 0);
}
