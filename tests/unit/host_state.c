/* SPDX-License-Identifier: MIT */
#include "host_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

/* As the kernel has it; the C library would hide two of the 64. */
struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};

static const char *const process_lines[] = {
	"Name",         "Umask",
	"Tgid",         "PPid",
	"TracerPid",    "Uid",
	"Gid",          "Groups",
	"NSpgid",       "NSsid",
	"SigIgn",       "SigCgt",
	"CapInh",       "CapPrm",
	"CapEff",       "CapBnd",
	"CapAmb",       "NoNewPrivs",
	"Seccomp",      "Seccomp_filters",
	"THP_enabled",  "Speculation_Store_Bypass",
	"Cpus_allowed", "Mems_allowed",
};
static const char *const moment_lines[] = {"Threads", "SigPnd", "ShdPnd", "SigBlk"};

static bool is_wanted(const char *line, const char *const *names, size_t count)
{
	size_t length = strcspn(line, ":");
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == length && !strncmp(line, names[i], length))
			return true;
	return false;
}

/* Lines of a file, those whose name is wanted; all of them where `names` is NULL. */
static void add_file(FILE *out, const char *path, const char *const *names, size_t count)
{
	char line[4096];
	FILE *file = fopen(path, "re");
	if (!file)
		fprintf(out, "%s: errno %d\n", path, errno);
	while (file && fgets(line, sizeof(line), file))
		if (!names || is_wanted(line, names, count))
			fprintf(out, "%s: %s%s", path, line, strchr(line, '\n') ? "" : "\n");
	if (file)
		fclose(file);
}

static void add_link(FILE *out, const char *path)
{
	char target[4096];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	fprintf(out, "%s -> %s\n", path, target);
}

static void add_signals(FILE *out)
{
	for (int signal = 1; signal <= 64; signal++) {
		struct kernel_sigaction action = {0};
		syscall(SYS_rt_sigaction, signal, NULL, &action, sizeof(action.mask));
		fprintf(out, "signal %d: %p %#lx %p %#llx\n", signal, action.handler, action.flags, action.restorer,
			(unsigned long long)action.mask);
	}
}

/* Intervals only: what is left of them runs on. */
static void add_timers(FILE *out)
{
	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
		struct itimerval timer;
		getitimer((__itimer_which_t)which, &timer);
		fprintf(out, "itimer %d: %ld.%06ld %s\n", which, timer.it_interval.tv_sec, timer.it_interval.tv_usec,
			timer.it_value.tv_sec || timer.it_value.tv_usec ? "runs" : "stands");
	}
	add_file(out, "/proc/self/timers", NULL, 0);
}

static void add_flags(FILE *out)
{
	int subreaper = -1, parent_death = -1;
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	prctl(PR_GET_PDEATHSIG, &parent_death);
	fprintf(out, "subreaper %d, parent death signal %d, dumpable %d, keep caps %d, securebits %d, timer slack %d\n",
		subreaper, parent_death, prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS), prctl(PR_GET_SECUREBITS),
		prctl(PR_GET_TIMERSLACK));
	fprintf(out, "priority %d, scheduler %d, io priority %ld, personality %ld, locale %s\n",
		getpriority(PRIO_PROCESS, 0), sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0),
		syscall(SYS_personality, 0xffffffff), setlocale(LC_ALL, NULL));
}

char *host_state_of_process(void)
{
	static const char *const spaces[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "user", "uts"};
	char *text = NULL, path[64];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	add_file(out, "/proc/self/status", process_lines, sizeof(process_lines) / sizeof(*process_lines));
	add_file(out, "/proc/self/limits", NULL, 0);
	add_file(out, "/proc/self/cgroup", NULL, 0);
	add_file(out, "/proc/self/oom_score_adj", NULL, 0);
	add_link(out, "/proc/self/cwd");
	add_link(out, "/proc/self/root");
	for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", spaces[i]);
		add_link(out, path);
	}
	for (char **variable = environ; *variable; variable++)
		fprintf(out, "environment %p: %s\n", (void *)*variable, *variable);
	add_signals(out);
	add_timers(out);
	add_flags(out);
	fclose(out);
	return text;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void add_fds(FILE *out)
{
	int numbers[4096], count = 0;
	DIR *dir = opendir("/proc/self/fd");
	for (struct dirent *entry; dir && (entry = readdir(dir)) && count < 4096;)
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
			numbers[count++] = atoi(entry->d_name);
	if (dir)
		closedir(dir);
	qsort(numbers, (size_t)count, sizeof(*numbers), by_number);
	for (int i = 0; i < count; i++) {
		char path[64], target[256];
		snprintf(path, sizeof(path), "/proc/self/fd/%d", numbers[i]);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		fprintf(out, "fd %d%s -> %s, flags %#x\n", numbers[i],
			fcntl(numbers[i], F_GETFD) & FD_CLOEXEC ? " (close-on-exec)" : "", target,
			fcntl(numbers[i], F_GETFL));
	}
}

char *host_state_of_moment(void)
{
	char *text = NULL;
	size_t size;
	stack_t stack;
	FILE *out = open_memstream(&text, &size);
	add_file(out, "/proc/thread-self/status", moment_lines, sizeof(moment_lines) / sizeof(*moment_lines));
	sigaltstack(NULL, &stack);
	fprintf(out, "signal stack %p %d\n", stack.ss_sp, stack.ss_flags);
	add_fds(out);
	fclose(out);
	return text;
}

static bool has_line(const char *text, const char *line, size_t length)
{
	for (const char *at = text; *at; at = strchr(at, '\n') + 1)
		if (!strncmp(at, line, length) && at[length] == '\n')
			return true;
	return false;
}

/* The lines that `text` has beyond `other`, without those of fds with close-on-exec where `out_fds` is given to count
 * them. */
static int count_new(const char *text, const char *other, bool threads_may_differ, int *out_fds)
{
	int count = 0;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		size_t length = strcspn(line, "\n");
		if (has_line(other, line, length) || (threads_may_differ && memmem(line, length, "Threads:", 8)))
			continue;
		if (out_fds && !strncmp(line, "fd ", 3) && memmem(line, length, "(close-on-exec)", 15))
			(*out_fds)++;
		else
			count++;
	}
	return count;
}

int host_state_new_fds(const char *before, const char *after, bool threads_may_differ)
{
	int fds = 0;
	bool same = !count_new(before, after, threads_may_differ, NULL) &&
		    !count_new(after, before, threads_may_differ, &fds);
	return same ? fds : -1;
}

static int print_missing(const char *text, const char *other, const char *what, char sign)
{
	int count = 0;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		size_t length = strcspn(line, "\n");
		if (has_line(other, line, length))
			continue;
		if (what)
			fprintf(stderr, "%s: %c %.*s\n", what, sign, (int)length, line);
		count++;
	}
	return count;
}

int host_state_compare(const char *before, const char *after, const char *what)
{
	if (!strcmp(before, after))
		return 0;
	return print_missing(before, after, what, '-') + print_missing(after, before, what, '+');
}
