/* SPDX-License-Identifier: MIT */
#include "launch/cgroup/hierarchy.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

bool has_word(const char *list, const char *word, const char *separators)
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

/* "" where it cannot be read. */
static void read_group_file(const char *directory, const char *file, char *text, size_t size)
{
	char path[PLAN_CGROUP_PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/%s", directory, file);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
	text[n < 0 ? 0 : n] = '\0';
}

bool group_file_has(const char *directory, const char *file, const char *word)
{
	char text[512];
	read_group_file(directory, file, text, sizeof(text));
	return has_word(text, word, " \n");
}

/* A line of proc_pid_mountinfo(5); the first mount of version 2 is taken, and all of version 1. */
static void add_mount(struct hierarchies *out, const char *line)
{
	struct hierarchy *item = &out->items[out->count];
	char type[32], options[512];
	const char *tail = strstr(line, " - ");
	if (!tail || out->count == PLAN_CGROUPS_MAX || sscanf(tail, " - %31s %*s %511s", type, options) != 2 ||
	    strncmp(type, "cgroup", 6))
		return;
	item->version = strcmp(type, "cgroup2") ? 1 : 2;
	if (item->version == 2 && hierarchy_version_2(out))
		return;
	if (sscanf(line, "%*s %*s %*s %447s %447s", item->root, item->point) != 2)
		return;
	item->own[0] = '\0';
	if (item->version == 2)
		read_group_file(item->point, "cgroup.controllers", item->controllers, sizeof(item->controllers));
	else
		snprintf(item->controllers, sizeof(item->controllers), "%.255s", options);
	out->count++;
}

/* The hierarchy of a line of /proc/self/cgroup: by its controllers, of which version 2 names none. */
static struct hierarchy *find_by_controllers(struct hierarchies *out, char *controllers)
{
	if (!*controllers)
		return (struct hierarchy *)hierarchy_version_2(out);
	controllers[strcspn(controllers, ",")] = '\0';
	return (struct hierarchy *)hierarchy_version_1(out, controllers);
}

/* A line of /proc/self/cgroup: id:controllers:path. */
static void add_own_group(struct hierarchies *out, char *line)
{
	char *controllers = strchr(line, ':');
	char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!path)
		return;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	struct hierarchy *item = find_by_controllers(out, controllers + 1);
	if (!item || item->own[0])
		return;
	size_t root_length = strcmp(item->root, "/") ? strlen(item->root) : 0;
	if (strncmp(path, item->root, root_length))
		return;
	const char *below = strcmp(path + root_length, "/") ? path + root_length : "";
	if (snprintf(item->own, sizeof(item->own), "%s%s", item->point, below) >= (int)sizeof(item->own) ||
	    access(item->own, F_OK) < 0)
		item->own[0] = '\0';
}

void hierarchies_read(struct hierarchies *out)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	out->count = 0;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	while (file && getline(&line, &size, file) > 0)
		add_mount(out, line);
	if (file)
		fclose(file);
	file = out->count ? fopen("/proc/self/cgroup", "re") : NULL;
	while (file && getline(&line, &size, file) > 0)
		add_own_group(out, line);
	if (file)
		fclose(file);
}

const struct hierarchy *hierarchy_version_2(const struct hierarchies *hierarchies)
{
	for (int i = 0; i < hierarchies->count; i++)
		if (hierarchies->items[i].version == 2)
			return &hierarchies->items[i];
	return NULL;
}

const struct hierarchy *hierarchy_version_1(const struct hierarchies *hierarchies, const char *controller)
{
	for (int i = 0; i < hierarchies->count; i++)
		if (hierarchies->items[i].version == 1 && has_word(hierarchies->items[i].controllers, controller, ","))
			return &hierarchies->items[i];
	return NULL;
}
