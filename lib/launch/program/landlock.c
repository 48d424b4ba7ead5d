/* SPDX-License-Identifier: MIT */
/* Landlock: a jail's root, or the paths that a container names. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>

#include "core/beneath.h"
#include "launcher.h"

/* As of ABI 6; older headers have the first member only. */
struct landlock_attributes {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

/* The rights that a file has which is no directory; the kernel refuses a rule with others (landlock(7)). */
enum {
	FILE_RIGHTS = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
		      1 << 14 /* truncate */ | 1 << 15 /* ioctl_dev */
};

static int make_ruleset(const struct plan *plan)
{
	struct landlock_attributes attributes = {
		.handled_access_fs = plan->security.landlock_access,
		.scoped = plan->security.landlock_scope,
	};
	/* Kernels that do not know a member refuse it only where it is not zero. */
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	return ruleset < 0 ? fail(VISO_STAGE_LANDLOCK, 0, "landlock_create_ruleset") : ruleset;
}

static int allow_beneath(int ruleset, int fd, uint64_t access, const char *object)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = access, .parent_fd = fd};
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return fail(VISO_STAGE_LANDLOCK, 0, object);
	return 0;
}

static int restrict_self(int ruleset)
{
	int r = syscall(SYS_landlock_restrict_self, ruleset, 0) < 0
			? fail(VISO_STAGE_LANDLOCK, 0, "landlock_restrict_self")
			: 0;
	close(ruleset);
	return r;
}

int landlock_restrict_to_root(const struct job *job)
{
	if (!job->plan->security.landlock_access)
		return 0;
	int ruleset = make_ruleset(job->plan);
	if (ruleset < 0 ||
	    allow_beneath(ruleset, job->root, job->plan->security.landlock_access, "landlock_add_rule") < 0)
		return -1;
	return restrict_self(ruleset);
}

/* The image decides what is a link in it: one could lead the rule to where the caller never meant it to hold. */
static int allow_path(int ruleset, int root, const struct plan *plan, const struct plan_landlock_path *wanted)
{
	struct stat st;
	const char *path = plan_string(plan, wanted->path);
	int fd = open_in_root(root, path, O_PATH | O_NOFOLLOW, 1);
	if (fd < 0)
		return fail(VISO_STAGE_LANDLOCK, -fd, path);
	int r = fstat(fd, &st) < 0 ? fail(VISO_STAGE_LANDLOCK, 0, path) : 0;
	uint64_t access = S_ISDIR(st.st_mode) ? wanted->access : wanted->access & FILE_RIGHTS;
	if (r == 0 && S_ISLNK(st.st_mode))
		r = fail(VISO_STAGE_LANDLOCK, ELOOP, path);
	if (r == 0 && access)
		r = allow_beneath(ruleset, fd, access, path);
	close(fd);
	return r;
}

int landlock_restrict_to_paths(const struct plan *plan)
{
	const struct plan_landlock_path *paths = (const void *)plan_string(plan, plan->security.landlock_paths);
	if (!plan->security.landlock_count && !plan->security.landlock_scope)
		return 0;
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return fail(VISO_STAGE_LANDLOCK, 0, "/");
	int ruleset = make_ruleset(plan);
	int r = ruleset < 0 ? -1 : 0;
	for (uint32_t i = 0; i < plan->security.landlock_count && r == 0; i++)
		r = allow_path(ruleset, root, plan, &paths[i]);
	close(root);
	return r < 0 ? -1 : restrict_self(ruleset);
}
