/* SPDX-License-Identifier: MIT */
#include "ordinary.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

void become_ordinary(unsigned id)
{
	if (geteuid() == 0)
		assert_true(setgroups(0, NULL) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0);
	/* As in a program that the user has started, its files in /proc are its own. */
	prctl(PR_SET_DUMPABLE, 1);
}

void own_mounts(void)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
}

void cover_file(const char *path, const char *text)
{
	char copy[] = "/tmp/viso-cover-XXXXXX";
	int fd = mkostemp(copy, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
	assert_int_equal(mount(copy, path, NULL, MS_BIND, NULL), 0);
	unlink(copy);
}

void cover_directory(const char *path)
{
	assert_int_equal(mount("tmpfs", path, "tmpfs", 0, "mode=0755,size=64k"), 0);
}

void cover_subids(const char *uids, const char *gids)
{
	cover_file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nviso-test:x:54321:54321::/:/bin/sh\n");
	cover_file("/etc/subuid", uids);
	cover_file("/etc/subgid", gids);
}
