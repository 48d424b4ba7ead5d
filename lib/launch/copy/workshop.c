/* SPDX-License-Identifier: MIT */
#include "launch/copy/workshop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/remove_tree.h"
#include "launch/launcher.h"

const struct workshop workshop_none = {.parent = -1, .fd = -1};

static int split(const char *destination, char **out_parent, const char **out_name)
{
	const char *slash = strrchr(destination, '/');
	*out_name = slash ? slash + 1 : destination;
	if (!**out_name || !strcmp(*out_name, ".") || !strcmp(*out_name, ".."))
		return error_argument("viso_sandbox_copy_out", "the destination does not end in a name");
	*out_parent =
		slash ? strndup(destination, slash == destination ? 1 : (size_t)(slash - destination)) : strdup(".");
	return *out_parent ? 0 : error_memory();
}

/* The launcher removes it where the host program is killed. */
static int guard(struct workshop *workshop)
{
	char link[32], path[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", workshop->parent);
	ssize_t length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return error_fail(VISO_STAGE_ROOT, errno, link, NULL);
	path[length] = '\0';
	if (asprintf(&workshop->guarded, "%s/%s", path, workshop->directory) < 0) {
		workshop->guarded = NULL;
		return error_memory();
	}
	int r = launcher_guard_tree(workshop->guarded);
	if (r < 0) {
		free(workshop->guarded);
		workshop->guarded = NULL;
	}
	return r;
}

int workshop_open(struct workshop *workshop, const char *destination)
{
	uint64_t random;
	char *parent = NULL;
	int r = split(destination, &parent, &workshop->name);
	if (r < 0)
		return r;
	workshop->parent = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = workshop->parent < 0 ? error_fail(VISO_STAGE_ROOT, errno, parent, "%s: %s", parent, strerrordesc_np(errno))
				 : 0;
	free(parent);
	if (r < 0)
		return r;
	if (faccessat(workshop->parent, workshop->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return error_fail(VISO_STAGE_ROOT, EEXIST, destination, "%s is there already", destination);
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		return error_fail(VISO_STAGE_ROOT, errno, "getrandom", NULL);
	snprintf(workshop->directory, sizeof(workshop->directory), ".viso-%016" PRIx64, random);
	r = guard(workshop);
	if (r < 0)
		return r;
	if (mkdirat(workshop->parent, workshop->directory, 0700) < 0)
		return error_fail(VISO_STAGE_ROOT, errno, destination, "nothing can be made beside %s: %s", destination,
				  strerrordesc_np(errno));
	workshop->fd = openat(workshop->parent, workshop->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (workshop->fd < 0)
		return error_fail(VISO_STAGE_ROOT, errno, destination, NULL);
	return 0;
}

void workshop_close(struct workshop *workshop)
{
	if (workshop->fd >= 0) {
		remove_contents(workshop->fd);
		unlinkat(workshop->parent, workshop->directory, AT_REMOVEDIR);
	}
	if (workshop->guarded)
		launcher_unguard_tree(workshop->guarded);
	free(workshop->guarded);
	close_fd(workshop->fd);
	close_fd(workshop->parent);
}

int workshop_finish(struct workshop *workshop, const char *destination)
{
	/* A path that is itself something to be left out leaves nothing to be renamed. */
	if (renameat2(workshop->fd, "copy", workshop->parent, workshop->name, RENAME_NOREPLACE) < 0 && errno != ENOENT)
		return error_fail(VISO_STAGE_ROOT, errno, destination, "%s: %s", destination, strerrordesc_np(errno));
	return 0;
}
