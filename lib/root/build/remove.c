/* SPDX-License-Identifier: MIT */
/* Removing what was built under a name, and nothing else. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/build/builder.h"
#include "root/build/control.h"
#include "root/build/device.h"
#include "root/failure.h"
#include "root/record/inside.h"

/* Whether a process has its root directory there, as far as we may see. */
static int check_processes(const struct stat *root, const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		char name[sizeof("/root") + NAME_MAX];
		struct stat st;
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(name, sizeof(name), "%s/root", entry->d_name);
		if (fstatat(dirfd(dir), name, &st, 0) == 0 && st.st_dev == root->st_dev && st.st_ino == root->st_ino)
			return error_fail(VISO_STAGE_ROOT, EBUSY, path, "process %s runs in %s; end it first",
					  entry->d_name, path);
	}
	return 0;
}

/* The path of a mount in a line of /proc/self/mountinfo, without its escapes, see proc(5); NULL in a damaged one. */
static char *mount_point(char *line)
{
	char *rest = NULL, *word = strtok_r(line, " ", &rest);
	for (int i = 0; word && i < 4; i++)
		word = strtok_r(NULL, " ", &rest);
	char *out = word;
	for (const char *in = word; in && *in;) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] && in[3]) {
			*out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 4;
		} else {
			*out++ = *in++;
		}
	}
	if (out)
		*out = '\0';
	return word;
}

/* Whether something is mounted there, beside devices that the record says were bound. */
static int check_mounts(const viso_manifest *record, int root, const char *path)
{
	char name[sizeof("/proc/self/fd/") + 3 * sizeof(int)], real[PATH_MAX];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", root);
	ssize_t length = readlink(name, real, sizeof(real) - 1);
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = 0;
	if (length > 0)
		real[length] = '\0';
	while (r == 0 && length > 0 && mounts && getline(&line, &size, mounts) > 0) {
		const char *point = mount_point(line);
		if (!point || strncmp(point, real, (size_t)length) != 0 || (point[length] && point[length] != '/'))
			continue;
		const struct record_entry *entry = point[length] ? record_find(record, point + length) : NULL;
		if (!entry || !entry->is_bound)
			r = error_fail(VISO_STAGE_ROOT, EBUSY, path, "something is mounted at %s; unmount it first",
				       point);
	}
	if (mounts)
		fclose(mounts);
	return r;
}

/* 1 where it stays since files of others are in it, 0, or a negative errno with the error set. */
static int remove_entry(struct directory_cache *tree, const struct record_entry *entry)
{
	if (!entry->path[1])
		return 0;
	int r = inside_enter(tree, entry->path, entry->name);
	if (r == 0 && entry->type == VISO_ENTRY_DIRECTORY)
		r = unlinkat(tree->fd, entry->path + entry->name, AT_REMOVEDIR) < 0 ? -errno : 0;
	else if (r == 0)
		r = device_remove(tree->fd, entry->path + entry->name);
	switch (-r) {
	case 0:
	case ENOENT:
	/* Somebody has put something else there, or on the way to it: that is theirs. */
	case ENOTDIR:
	case ELOOP:
		return 0;
	case ENOTEMPTY:
	case EEXIST:
	case EISDIR:
		return 1;
	default:
		return fail_path(-r, "remove", entry->path);
	}
}

static int remove_entries(const viso_manifest *record, int root)
{
	_cleanup_(inside_clear) struct directory_cache tree = {.base = root, .one_mount = true, .fd = -1};
	int stay = 0;
	for (size_t i = record->count; i-- > 0;) {
		int r = remove_entry(&tree, &record->entries[i]);
		if (r < 0)
			return r;
		stay += r;
		/* The directory that was entered may be the next to go. */
		if (record->entries[i].type == VISO_ENTRY_DIRECTORY)
			inside_forget(&tree);
	}
	return stay;
}

static int remove_locked(struct control *control, int root, const char *path)
{
	struct stat st;
	viso_manifest *record = NULL;
	int r = fstat(root, &st) < 0 ? fail_path(errno, "examine", path) : control_read(control, &record);
	if (r == 0)
		r = check_processes(&st, path);
	if (r == 0)
		r = check_mounts(record, root, path);
	int stay = r < 0 ? r : remove_entries(record, root);
	viso_manifest_unref(record);
	if (stay < 0)
		return stay;
	r = control_remove(control, root);
	if (r < 0)
		return fail_path(-r, "remove the record of", path);
	/* Its own name, unless it leads elsewhere now. */
	struct stat now;
	if (lstat(path, &now) < 0 || now.st_dev != st.st_dev || now.st_ino != st.st_ino)
		return stay;
	if (!rmdir(path))
		return stay;
	return errno == ENOTEMPTY || errno == EEXIST ? stay + 1 : fail_path(errno, "remove", path);
}

int build_remove(int root, const char *path)
{
	struct control control;
	int r = control_open(&control, root, path, false, NULL);
	if (r < 0)
		return r;
	r = remove_locked(&control, root, path);
	control_close(&control);
	return r;
}
