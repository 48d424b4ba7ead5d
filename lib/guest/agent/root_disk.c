/* SPDX-License-Identifier: MIT */
#include "guest/agent/root_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/file_limit.h"
#include "guest/agent/modules.h"
#include "image/erofs.h"
#include "root/handle.h"
#include "root/root.h"
#include "sandbox/host_program.h"

/* Not where files are in memory, if that can be: large roots are what this is for. */
#define PLACE "/var/tmp"

static int list(viso_root *root, struct listing *listing)
{
	_cleanup_close_ int directory = -1;
	int r = root_open(root, &directory);
	return r < 0 ? r : listing_make(listing, root, directory);
}

int root_size(viso_root *root, uint64_t *out_size)
{
	_cleanup_(listing_clear) struct listing listing = {0};
	uint64_t size = 0;
	int r = list(root, &listing);
	if (r < 0)
		return r;
	for (size_t i = 0; i < listing.count; i++)
		size += listing.entries[i].size;
	*out_size = size;
	return 0;
}

/* A kernel that has it built in does not tell: whoever knows asks for a disk. */
bool root_disk_is_possible(const char *kernel)
{
	static const char *const modules[] = {"erofs", NULL};
	_cleanup_(strings_clear) struct strings paths = {0};
	_cleanup_free_ char *directory = NULL;
	char program[HOST_PROGRAM_PATH_MAX];
	return host_program_find("mkfs.erofs", program) && modules_find(kernel, &directory) == 0 && directory &&
	       modules_resolve(directory, modules, &paths) == 0 && paths.count > 0;
}

static int open_unnamed(void)
{
	int fd = open(PLACE, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("viso-root", MFD_CLOEXEC);
	return fd_above_streams(fd);
}

int root_disk_make(viso_root *root)
{
	struct file_limit_guard guard;
	_cleanup_(listing_clear) struct listing listing = {0};
	int r = list(root, &listing);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open_unnamed();
	if (fd < 0)
		return error_fail(VISO_STAGE_IMAGE, errno, "memfd_create", NULL);
	file_limit_begin(&guard);
	r = erofs_write(&listing, viso_root_path(root), root->used != NULL, fd);
	file_limit_end(&guard);
	return r < 0 ? r : TAKE_FD(fd);
}
