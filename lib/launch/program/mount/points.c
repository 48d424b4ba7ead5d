/* SPDX-License-Identifier: MIT */
/*
 * Mount points that a read-only root lacks. They are made in an overlay over it, whose upper is in memory, before
 * anything is mounted; from then on the root is read-only as ever. What is to be mounted upon is looked up again later,
 * as in any root: nothing here has to hold until then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "mount/mounts.h"

/* What every container mounts, before all that the plan asks for. */
static const char *const usual[] = {"/proc", "/dev", "/tmp"};
enum { USUAL = sizeof(usual) / sizeof(usual[0]) };

static bool is_directory(int fd)
{
	struct stat st;
	return fstat(fd, &st) < 0 || S_ISDIR(st.st_mode);
}

/* In the order of mounting. */
static const char *path_at(const struct plan *plan, uint32_t index)
{
	return index < USUAL ? usual[index] : plan_string(plan, plan_mount_at(plan, index - USUAL)->target);
}

static bool takes_directory(const struct job *job, uint32_t index)
{
	const struct plan_mount *mount = index < USUAL ? NULL : plan_mount_at(job->plan, index - USUAL);
	if (mount && mount->kind == PLAN_MOUNT_BIND)
		return is_directory(job->fds[mount->fd]);
	return !mount || mount->kind != PLAN_MOUNT_FILE;
}

static bool lies_on(const char *path, const char *mounted)
{
	size_t length = strlen(mounted);
	return !strncmp(path, mounted, length) && (path[length] == '/' || path[length] == '\0');
}

/* On what is mounted earlier it is not the root's affair. Since no link is followed, names alone tell. */
static bool is_covered(const struct plan *plan, uint32_t index)
{
	uint32_t i = 0;
	while (i < index && !lies_on(path_at(plan, index), path_at(plan, i)))
		i++;
	return i < index;
}

/* Nothing else than missing, so that a link or a file on the way is refused when it is to be mounted upon. */
static bool is_missing(const struct plan *plan, uint32_t index, int root)
{
	int fd = target_find(root, path_at(plan, index), O_PATH);
	bool missing = fd < 0 && errno == ENOENT;
	close_quietly(fd);
	return missing && !is_covered(plan, index);
}

bool points_are_missing(const struct plan *plan, int root)
{
	uint32_t count = USUAL + plan->mounts.count, i = 0;
	while (i < count && !is_missing(plan, i, root))
		i++;
	return i < count;
}

void points_make(const struct job *job, int root)
{
	struct owner owner = {UINT32_MAX, UINT32_MAX};
	/* As whoever mounts the rest would make it: the container's root. */
	if (worker.owns_ids && !job->plan->namespaces.joined[VISO_NAMESPACE_USER])
		owner = (struct owner){idmap_outside(job, &job->plan->namespaces.uids, 0),
				       idmap_outside(job, &job->plan->namespaces.gids, 0)};
	for (uint32_t i = 0; i < USUAL + job->plan->mounts.count; i++)
		if (is_missing(job->plan, i, root))
			(void)!target_make(root, path_at(job->plan, i), takes_directory(job, i), owner);
}

/* The next byte of a path in mountinfo, where blanks and backslashes are octal numbers (proc_pid_mountinfo(5)). */
static char take_byte(const char **next)
{
	const char *at = *next;
	bool octal = at[0] == '\\' && at[1] && at[2] && at[3];
	*next += octal ? 4 : 1;
	return octal ? (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0')) : at[0];
}

static bool is_below(const char *mounted, const char *directory)
{
	for (; *directory; directory++)
		if (!*mounted || take_byte(&mounted) != *directory)
			return false;
	return *mounted == '/';
}

static bool any_below(FILE *mountinfo, const char *directory)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool any = false;
	while (!any && getline(&line, &size, mountinfo) > 0) {
		const char *mounted = line;
		for (int field = 1; field < 5 && mounted; field++)
			mounted = strchr(mounted, ' ') ? strchr(mounted, ' ') + 1 : NULL;
		any = !mounted || is_below(mounted, directory);
	}
	return any || ferror(mountinfo);
}

bool points_would_hide(int directory)
{
	char path[4096];
	if (mount_path(directory, path, sizeof(path)) < 0 || !strcmp(path, "/"))
		return true;
	FILE *mountinfo = fopen("/proc/self/mountinfo", "re");
	if (!mountinfo)
		return true;
	bool hidden = !mount_is_proc(fileno(mountinfo)) || any_below(mountinfo, path);
	fclose(mountinfo);
	return hidden;
}
