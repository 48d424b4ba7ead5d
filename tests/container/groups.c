/* SPDX-License-Identifier: MIT */
#include "groups.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { PATH = 1024 };
static char parent_name[64];

static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);
	for (const char *found = list; (found = strstr(found, word)); found += length)
		if ((found == list || strchr(" ,", found[-1])) && strchr(" ,\n", found[length]))
			return true;
	return false;
}

/* Where the hierarchy is mounted; version 2 for NULL. */
static bool mount_of(const char *controller, char point[PATH])
{
	char line[2048], type[32], options[512];
	bool found = false;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	while (!found && fgets(line, sizeof(line), file)) {
		const char *tail = strstr(line, " - ");
		if (!tail || sscanf(tail, " - %31s %*s %511s", type, options) != 2 ||
		    sscanf(line, "%*s %*s %*s %*s %1023s", point) != 1)
			continue;
		found = controller ? !strcmp(type, "cgroup") && list_has(options, controller)
				   : !strcmp(type, "cgroup2");
	}
	fclose(file);
	return found;
}

static bool read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(text, 1, size - 1, file) : 0;
	text[n] = '\0';
	if (file)
		fclose(file);
	return file;
}

int group_version(const char *controller)
{
	char point[PATH], path[PATH + 32], text[512];
	if (mount_of(NULL, point)) {
		snprintf(path, sizeof(path), "%s/cgroup.controllers", point);
		if (!controller || (read_text(path, text, sizeof(text)) && list_has(text, controller)))
			return 2;
	}
	const char *name = controller && !strcmp(controller, "io") ? "blkio" : controller;
	return controller && mount_of(name, point) ? 1 : 0;
}

/* The directory of the process's group. */
static void directory_of(int pid, const char *controller, char directory[2 * PATH])
{
	char path[64], text[8192], point[PATH];
	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	assert_true(read_text(path, text, sizeof(text)));
	assert_true(mount_of(controller, point));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *names = strchr(line, ':') + 1, *group = strchr(names, ':');
		*group++ = '\0';
		if (controller ? list_has(names, controller) || !strcmp(names, controller) : !*names) {
			snprintf(directory, 2 * PATH, "%s%s", point, group);
			return;
		}
	}
	fail_msg("process %d is in no group of %s", pid, controller ? controller : "version 2");
}

const char *group_read(int pid, const char *controller, const char *file_v1, const char *file_v2)
{
	static char text[4096];
	char directory[2 * PATH], path[2 * PATH + 64];
	int version = group_version(controller);
	const char *name = controller && !strcmp(controller, "io") ? "blkio" : controller;
	directory_of(pid, version == 2 ? NULL : name, directory);
	snprintf(path, sizeof(path), "%s/%s", directory, version == 2 ? file_v2 : file_v1);
	if (!read_text(path, text, sizeof(text)))
		fail_msg("%s: %s", path, strerror(errno));
	size_t length = strlen(text);
	if (length && text[length - 1] == '\n')
		text[length - 1] = '\0';
	return text;
}

static const char *const hierarchies[] = {NULL, "memory", "pids", "cpu", "cpuset", "blkio", "devices", "freezer"};
enum { HIERARCHIES = sizeof(hierarchies) / sizeof(hierarchies[0]) };

static bool parent_path(const char *controller, char path[2 * PATH])
{
	char point[PATH];
	if (!mount_of(controller, point))
		return false;
	snprintf(path, 2 * PATH, "%s%s", point, parent_name);
	return true;
}

/* A new group of version 1 has no CPUs and no memory. */
static void fill_cpuset(const char *directory)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
	for (int i = 0; i < 2; i++) {
		char path[2 * PATH + 64], text[4096];
		snprintf(path, sizeof(path), "%s/../%s", directory, files[i]);
		if (!read_text(path, text, sizeof(text)))
			return;
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		FILE *file = fopen(path, "we");
		assert_non_null(file);
		fputs(text, file);
		assert_int_equal(fclose(file), 0);
	}
}

const char *group_make_parent(struct box *box)
{
	skip_without(geteuid() == 0, "root, to make control groups of its own");
	char path[2 * PATH];
	snprintf(parent_name, sizeof(parent_name), "/viso-test-%d", (int)getpid());
	for (int i = 0; i < HIERARCHIES; i++)
		if (parent_path(hierarchies[i], path) && mkdir(path, 0755) < 0)
			assert_int_equal(errno, EEXIST); /* several controllers may be mounted together */
	if (group_version("cpuset") == 1 && parent_path("cpuset", path))
		fill_cpuset(path);
	assert_ok(viso_container_set_cgroup_parent(box->container, parent_name));
	return parent_name;
}

static int count_directories(const char *path)
{
	int count = 0;
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_type == DT_DIR && entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

int group_count_children(void)
{
	char path[2 * PATH];
	int count = 0;
	for (int i = 0; i < HIERARCHIES; i++)
		if (parent_path(hierarchies[i], path))
			count += count_directories(path);
	return count;
}

void group_remove_parent(void)
{
	char path[2 * PATH];
	await_that(group_count_children() == 0);
	for (int i = 0; i < HIERARCHIES; i++)
		if (parent_path(hierarchies[i], path))
			rmdir(path);
}

void skip_without_controller(struct box *box, const char *controller)
{
	char facility[64];
	snprintf(facility, sizeof(facility), "a %s controller for the caller", controller);
	viso_command *command = probe("exit", NULL);
	int r = viso_sandbox_run(box->sandbox, command, NULL);
	viso_command_unref(command);
	if (geteuid() != 0)
		skip_without(r != -EOPNOTSUPP, facility);
	assert_ok(r);
}

void group_hide_version_2(void)
{
	char point[PATH];
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	while (mount_of(NULL, point))
		assert_int_equal(umount2(point, MNT_DETACH), 0);
}

/* Partitions have no queue of their own, so the kernel refuses them. */
const char *group_disk(unsigned *out_major, unsigned *out_minor)
{
	struct stat st;
	char queue[64];
	const char *disk = getenv("VISO_TEST_DISK") ? getenv("VISO_TEST_DISK") : "/";
	assert_int_equal(stat(disk, &st), 0);
	dev_t device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	*out_major = major(device);
	*out_minor = minor(device);
	snprintf(queue, sizeof(queue), "/sys/dev/block/%u:%u/queue", *out_major, *out_minor);
	return access(queue, F_OK) == 0 ? disk : NULL;
}

int group_worker_of(viso_process *process)
{
	int pid = viso_process_pid(process);
	for (int i = 0; i < 2; i++) {
		char path[64], text[512];
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		assert_true(read_text(path, text, sizeof(text)));
		pid = atoi(strrchr(text, ')') + 4);
	}
	return pid;
}
