/* SPDX-License-Identifier: MIT */
#include "leftovers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "marked.h"
#include "support.h"

static int files_before;

int leftovers_set_up(void **state)
{
	char *directory = support_temporary_directory();
	support_set_temporary(directory);
	free(directory);
	mark_new(); /* from now on control groups count */
	return 0;
}

int leftovers_tear_down(void **state)
{
	int r = box_group_teardown(state);
	support_remove_tree(getenv("TMPDIR"));
	support_set_temporary(NULL);
	return r;
}

static int count_files(void)
{
	int count = 0;
	DIR *directory = opendir(getenv("TMPDIR"));
	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static int count_mounts(void)
{
	char line[4096];
	int count = 0;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, getenv("TMPDIR"))) {
			print_error("left: %s", line);
			count++;
		}
	fclose(file);
	return count;
}

void leftovers_begin(void)
{
	files_before = count_files();
}

int leftovers_count(const pid_t *pids, int count)
{
	int files = count_files() - files_before;
	if (files)
		print_error("left: %d files\n", files);
	return files + count_mounts() + cgroups_left(pids, count);
}
