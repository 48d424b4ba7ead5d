/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso.h>

void support_missing(const char *facility)
{
	/* A line of its own that the runner finds beside the skipped case. */
	printf("# missing: %s\n", facility);
	fflush(stdout);
}

void support_pause(void)
{
	usleep(5000);
}

void support_print_error(const char *call, long result)
{
	print_error("%s returned %ld: %s\n", call, result, viso_error_message());
}

void support_check_error(const char *call, int error, int stage, const char *object_part)
{
	if (viso_error_number() != error || (int)viso_error_stage() != stage || !strstr(viso_error_object(), object_part))
		print_error("%s: errno %d, stage %s, object '%s', message '%s'\n", call, viso_error_number(),
			    viso_stage_name(viso_error_stage()), viso_error_object(), viso_error_message());
	assert_int_equal(viso_error_number(), error);
	assert_int_equal(viso_error_stage(), stage);
	assert_non_null(strstr(viso_error_object(), object_part));
	assert_true(strlen(viso_error_message()) > 0);
}

int support_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	int count = 0;
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count - 1; /* not the directory's own */
}

void support_assert_nothing_left(int fds)
{
	for (int i = 0; i < 3000; i++) {
		bool no_child = waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD;
		if (no_child && support_count_fds() <= fds)
			return;
		usleep(10000);
	}
	fail_msg("children or %d fds are left, %d expected", support_count_fds(), fds);
}

static void on_time_limit(int number)
{
	static const char text[] = "# the time limit of the test was reached\n";
	(void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

void support_time_limit(unsigned seconds)
{
	signal(SIGALRM, on_time_limit);
	/* Emulated, all takes several times as long, and watched by the sanitizers on a busy machine, too. */
	alarm(getenv("VISO_RIG") || SANITIZED ? 4 * seconds : 2 * seconds);
}

char *support_temporary_directory(void)
{
	const char *base = getenv("TMPDIR");
	char *path = NULL;
	assert_true(asprintf(&path, "%s/viso-test-XXXXXX", base ? base : "/tmp") > 0);
	assert_non_null(mkdtemp(path));
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

void support_set_temporary(const char *directory)
{
	static char first[PATH_MAX];
	static bool is_known;
	const char *now = getenv("TMPDIR");
	if (!is_known && now)
		snprintf(first, sizeof(first), "%s", now);
	is_known = true;
	if (!directory && !*first)
		unsetenv("TMPDIR");
	else
		setenv("TMPDIR", directory ? directory : first, 1);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void support_remove_tree(const char *path)
{
	nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
