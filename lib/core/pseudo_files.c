/* SPDX-License-Identifier: MIT */
#include "core/pseudo_files.h"

#include <linux/magic.h>
#include <stddef.h>
#include <sys/vfs.h>

/* What these show is the host's, or the host program's own: its memory, environment and fds. */
static const unsigned long hidden_file_systems[] = {
	PROC_SUPER_MAGIC,   SYSFS_MAGIC,         DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC,
	CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,  NSFS_MAGIC,    DEVPTS_SUPER_MAGIC,
};

bool is_of_pseudo_files(int fd)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return true;
	for (size_t i = 0; i < sizeof(hidden_file_systems) / sizeof(hidden_file_systems[0]); i++)
		if ((unsigned long)fs.f_type == hidden_file_systems[i])
			return true;
	return false;
}
