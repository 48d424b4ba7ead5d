/* SPDX-License-Identifier: MIT */
/* Removing a tree that a dead host program left. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "launcher.h"

/* Deeper than any tree that the library makes; what is below stays, rather than that fds run out. */
enum { DEPTH_MAX = 200 };

/* Removes all that is in the directory; takes `fd` over. */
static void empty_directory(int fd, dev_t device, int depth)
{
	DIR *dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0 || depth == DEPTH_MAX)
			continue;
		int child = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		if (child < 0)
			continue;
		if (fstat(child, &st) < 0 || st.st_dev != device) {
			close(child);
			continue;
		}
		fchmod(child, 0700);
		empty_directory(child, device, depth + 1);
		unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
}

void remove_tree(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0)
		empty_directory(fd, st.st_dev, 0);
	else
		close(fd);
	rmdir(path);
}
