/* SPDX-License-Identifier: MIT */
#include "root/base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/failure.h"
#include "root/handle.h"

int base_init(struct base *base, const char *target)
{
	*base = (struct base){.scratch.fd = -1};
	int r = base_tree_init(&base->tree, target);
	return r < 0 ? r : place_make_own(&base->scratch);
}

enum { FILES_MAX = 1 << 20 };

int base_create(struct base *base, size_t *out_number)
{
	char name[2 * sizeof(size_t) + 1];
	/* A name that comes again and again is one entry, but each time a file here. */
	if (base->files == FILES_MAX)
		return error_fail(VISO_STAGE_IMAGE, EFBIG, base->scratch.path, "there are more than %d files",
				  FILES_MAX);
	snprintf(name, sizeof(name), "%zx", base->files);
	int fd = openat(base->scratch.fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* A umask may have taken the owner's rights away. */
	if (fd < 0 || fchmod(fd, 0600) < 0) {
		int error = errno;
		close_fd(fd);
		return fail_path(error, "make a file in", base->scratch.path);
	}
	*out_number = base->files++;
	return fd;
}

static int reserve(viso_root *root)
{
	struct place *scratches = realloc(root->scratches, (root->scratch_count + 1) * sizeof(*scratches));
	if (!scratches)
		return error_memory();
	root->scratches = scratches;
	return 0;
}

int base_give(struct base *base, viso_root *root, const char *kind, const char *name)
{
	int r = reserve(root);
	if (r < 0)
		return r;
	const char *before = manifest_set_reason(&root->manifest, "%s %s", kind, name);
	r = base_tree_add(&base->tree, &root->manifest, base->scratch.path);
	manifest_restore_reason(&root->manifest, before);
	if (r < 0)
		return r;
	base->scratch.fd = close_fd(base->scratch.fd);
	root->scratches[root->scratch_count++] = base->scratch;
	base->scratch = (struct place){.fd = -1};
	return 0;
}

void base_clear(struct base *base)
{
	if (base->scratch.path)
		place_undo(&base->scratch);
	base_tree_clear(&base->tree);
}
