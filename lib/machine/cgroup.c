/* SPDX-License-Identifier: MIT */
/*
 * May this caller limit memory and process numbers by a control group? By the rule of lib/launch: a child of the caller's own
 * group, in the v2 hierarchy where it offers the controller, else in the controller's v1 hierarchy. Found by reading; no
 * group is made. See cgroups(7) and Documentation/admin-guide/cgroup-v2.rst, "No Internal Process Constraint".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "machine/machine.h"

enum { REASON_MAX = 200 };

static void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)

/* Whether `word` is in a list divided by `separator`. */
static bool list_has(const char *list, const char *word, char separator)
{
	size_t length = strlen(word);
	for (const char *at = list; (at = strstr(at, word)); at += length)
		if ((at == list || at[-1] == separator) && (!at[length] || at[length] == separator || at[length] == '\n'))
			return true;
	return false;
}

/*
 * The caller's group as /proc/self/cgroup has it: "hierarchy:controllers:path". v2 is the one without controllers
 * (`controller` NULL).
 */
static bool own_group(const char *controller, char *out_path, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/cgroup", "re");
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	while (file && getline(&line, &capacity, file) > 0) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			continue;
		controllers++;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		if (controller ? list_has(controllers, controller, ',') : !*controllers)
			return (size_t)snprintf(out_path, size, "%s", path) < size;
	}
	return false;
}

/* Undoes the octal escapes (\040) of mountinfo. */
static void unescape(char *text)
{
	char *to = text;
	for (char *from = text; *from; from++) {
		unsigned value;
		if (from[0] == '\\' && sscanf(from + 1, "%3o", &value) == 1) {
			*to++ = (char)value;
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

/* The directory of group `group` below a mount that shows the hierarchy from `root` on. */
static bool place_in_mount(const char *root, const char *mount_point, const char *group, char *out, size_t size)
{
	size_t length = strcmp(root, "/") ? strlen(root) : 0;
	/* A path that begins with /.. is outside of the cgroup namespace and so of what is mounted here. */
	if (strncmp(group, root, length) || (group[length] && group[length] != '/') || !strncmp(group, "/..", 3))
		return false;
	const char *rest = group + length;
	int n = snprintf(out, size, "%s%s", mount_point, strcmp(rest, "/") ? rest : "");
	return n > 0 && (size_t)n < size && access(out, F_OK) == 0;
}

/*
 * Splits a line of /proc/self/mountinfo: "id parent major:minor root mount-point options [tags] - type source super-options".
 * True where it mounts the hierarchy that is meant.
 */
static bool parse_mount(char *line, const char *controller, char **out_root, char **out_mount_point)
{
	char *state = NULL;
	char *field = strtok_r(line, " ", &state);
	for (int i = 0; field && i < 3; i++)
		field = strtok_r(NULL, " ", &state);
	*out_root = field;
	*out_mount_point = strtok_r(NULL, " ", &state);
	while ((field = strtok_r(NULL, " ", &state)) && strcmp(field, "-"))
		;
	char *type = strtok_r(NULL, " ", &state);
	strtok_r(NULL, " ", &state);
	char *options = strtok_r(NULL, " ", &state);
	if (!type || !options)
		return false;
	unescape(*out_root);
	unescape(*out_mount_point);
	return controller ? !strcmp(type, "cgroup") && list_has(options, controller, ',') : !strcmp(type, "cgroup2");
}

/* The directory of the caller's own group; NULL `controller` for v2. Says in `reason` why there is none. */
static bool own_directory(const char *controller, char *out, size_t size, char reason[REASON_MAX])
{
	char group[PATH_MAX];
	if (!own_group(controller, group, sizeof(group))) {
		snprintf(reason, REASON_MAX, "the kernel has no such hierarchy");
		return false;
	}
	_cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	while (file && getline(&line, &capacity, file) > 0) {
		char *root, *mount_point;
		line[strcspn(line, "\n")] = '\0';
		if (parse_mount(line, controller, &root, &mount_point) && place_in_mount(root, mount_point, group, out, size))
			return true;
	}
	snprintf(reason, REASON_MAX, "it is not mounted where this process could reach its own group");
	return false;
}

/* Whether a file of a group's directory has this word. */
static bool group_file_has(const char *directory, const char *name, const char *word)
{
	char path[PATH_MAX + 32], text[512];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	return list_has(text, word, ' ');
}

/* By effective ids and capabilities; a read-only mount refuses as well. */
static bool may_write(const char *directory, const char *name)
{
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

static bool is_hierarchy_root(const char *directory)
{
	char path[PATH_MAX + 32];
	snprintf(path, sizeof(path), "%s/cgroup.type", directory);
	return access(path, F_OK) < 0;
}

static bool v2_allows(const char *controller, char *directory, size_t size, char reason[REASON_MAX])
{
	if (!own_directory(NULL, directory, size, reason))
		return false;
	if (!group_file_has(directory, "cgroup.controllers", controller))
		snprintf(reason, REASON_MAX, "this process's group does not have the controller");
	else if (!may_write(directory, ".") || !may_write(directory, "cgroup.procs"))
		snprintf(reason, REASON_MAX, "this user may not make a group below that of this process");
	else if (group_file_has(directory, "cgroup.subtree_control", controller))
		return true;
	else if (!may_write(directory, "cgroup.subtree_control"))
		snprintf(reason, REASON_MAX, "this user may not pass the controller on to groups below that of this process");
	else if (!is_hierarchy_root(directory))
		snprintf(reason, REASON_MAX,
			 "the group of this process has processes, itself for one, and so cannot pass controllers on");
	else
		return true;
	return false;
}

static bool v1_allows(const char *controller, char *directory, size_t size, char reason[REASON_MAX])
{
	if (!own_directory(controller, directory, size, reason))
		return false;
	if (may_write(directory, "."))
		return true;
	snprintf(reason, REASON_MAX, "this user may not make a group below that of this process");
	return false;
}

static void probe_controller(struct finding *finding, const char *controller, const char *what)
{
	char directory[PATH_MAX], v2[REASON_MAX], v1[REASON_MAX];

	if (v2_allows(controller, directory, sizeof(directory), v2))
		finding_works(finding, "By control groups v2, below %.300s.", directory);
	else if (v1_allows(controller, directory, sizeof(directory), v1))
		finding_works(finding, "By control groups v1, below %.300s.", directory);
	else
		finding_fails(finding,
			      "No limit of %s: in control groups v2, %s; in v1, %s. Run as root, or in a group of its own: "
			      "systemd-run --user --scope -p Delegate=yes PROGRAM.",
			      what, v2, v1);
}

void probe_memory_limit(struct viso_machine *machine, struct finding *finding)
{
	probe_controller(finding, "memory", "memory");
}

void probe_process_limit(struct viso_machine *machine, struct finding *finding)
{
	probe_controller(finding, "pids", "process numbers");
}
