/* SPDX-License-Identifier: MIT */
#include "launch/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"

/* True where `word` is one of the words of `list`, which are separated by any of `separators`. */
static bool has_word(const char *list, const char *word, const char *separators)
{
	size_t length = strlen(word);
	while (*list) {
		size_t n = strcspn(list, separators);
		if (n == length && !strncmp(list, word, n))
			return true;
		list += n;
		list += strspn(list, separators);
	}
	return false;
}

/*
 * Where the hierarchy with the controller (version 1; NULL for version 2) is mounted, and which of its directories is
 * at the mount point (proc_pid_mountinfo(5)).
 */
static bool find_mount(const char *controller, char *mount_point, char *mount_root)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool found = false;
	while (file && !found && getline(&line, &size, file) > 0) {
		char root[PATH_MAX], point[PATH_MAX], type[32], options[512];
		const char *tail = strstr(line, " - ");
		if (!tail || sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2 ||
		    sscanf(tail, " - %31s %*s %511s", type, options) != 2)
			continue;
		found = controller ? !strcmp(type, "cgroup") && has_word(options, controller, ",\n")
				   : !strcmp(type, "cgroup2");
		if (found) {
			strcpy(mount_point, point);
			strcpy(mount_root, root);
		}
	}
	if (file)
		fclose(file);
	return found;
}

/* The caller's own group in that hierarchy, as /proc/self/cgroup has it. */
static bool find_own_group(const char *controller, char *group)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool found = false;
	while (file && !found && getline(&line, &size, file) > 0) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			continue;
		*path++ = '\0';
		controllers++;
		path[strcspn(path, "\n")] = '\0';
		found = controller ? has_word(controllers, controller, ",")
				   : *controllers == '\0' && !strncmp(line, "0:", 2);
		if (found)
			snprintf(group, PATH_MAX, "%s", path);
	}
	if (file)
		fclose(file);
	return found;
}

/* The directory of the caller's group; false where it is not visible here. */
static bool own_directory(const char *controller, char directory[PATH_MAX], size_t *out_mount_length)
{
	char point[PATH_MAX], root[PATH_MAX], group[PATH_MAX];
	if (!find_mount(controller, point, root) || !find_own_group(controller, group))
		return false;
	const char *below = group;
	size_t root_length = strcmp(root, "/") ? strlen(root) : 0;
	if (strncmp(group, root, root_length))
		return false;
	below += root_length;
	if (!strcmp(below, "/"))
		below = "";
	*out_mount_length = strlen(point);
	return snprintf(directory, PATH_MAX, "%s%s", point, below) < PATH_MAX && access(directory, F_OK) == 0;
}

static bool hands_down(const char *directory, const char *controller)
{
	char path[PATH_MAX + 32], text[512];
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", directory);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return has_word(text, controller, " \n");
}

static bool find_version_2(const char *controller, char directory[PATH_MAX])
{
	size_t mount_length;
	if (!own_directory(NULL, directory, &mount_length))
		return false;
	for (;;) {
		if (hands_down(directory, controller) && faccessat(AT_FDCWD, directory, W_OK, AT_EACCESS) == 0)
			return true;
		char *slash = strrchr(directory, '/');
		if (!slash || (size_t)(slash - directory) < mount_length)
			return false;
		*slash = '\0';
	}
}

static bool find_version_1(const char *controller, char directory[PATH_MAX])
{
	size_t mount_length;
	return own_directory(controller, directory, &mount_length) &&
	       faccessat(AT_FDCWD, directory, W_OK, AT_EACCESS) == 0;
}

int cgroup_find(const char *controller, struct cgroup_place *out_place)
{
	if (find_version_2(controller, out_place->directory)) {
		out_place->version = 2;
		return 0;
	}
	if (find_version_1(controller, out_place->directory)) {
		out_place->version = 1;
		return 0;
	}
	return error_fail(
		VISO_STAGE_CGROUP, EOPNOTSUPP, controller,
		"the limit needs a control group, and this host gives the caller no %s controller; as root, or in a "
		"systemd unit or slice with Delegate=yes, it does",
		controller);
}
