/* SPDX-License-Identifier: MIT */
#include "launch/copy/entry.h"

#include <errno.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

bool entry_is_made_up(int fd)
{
	static const unsigned kinds[] = {PROC_SUPER_MAGIC,   SYSFS_MAGIC,     CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
					 DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC,   TRACEFS_MAGIC,      SECURITYFS_MAGIC,
					 BPF_FS_MAGIC,       FUSE_SUPER_MAGIC};
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((unsigned)fs.f_type == kinds[i])
			return true;
	return false;
}

int entry_set_attributes(int fd, const struct copy_record *record)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
					  {.tv_sec = record->seconds, .tv_nsec = record->nanoseconds % 1000000000}};
	if (fchmod(fd, record->mode & 0777) < 0)
		return -errno;
	futimens(fd, times);
	return 0;
}
