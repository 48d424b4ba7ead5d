/* SPDX-License-Identifier: MIT */
/* What a jail's program does before the steps that all have in common: chroot and Landlock. */
#include <errno.h>
#include <linux/landlock.h>
#include <sys/prctl.h>

#include "launcher.h"

/* As of ABI 6; older headers have the first member only. */
struct landlock_attributes {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

/* A program without privileges must not gain any: the condition for Landlock and for a seccomp filter. */
static int forbid_new_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(VISO_STAGE_CAPABILITIES, 0, "PR_SET_NO_NEW_PRIVS");
	return 0;
}

/* Nothing but what lies beneath the root, whatever fd or path leads to it. */
static int restrict_to_root(const struct job *job)
{
	if (!job->plan->security.landlock_access)
		return 0;
	struct landlock_attributes attributes = {
		.handled_access_fs = job->plan->security.landlock_access,
		.scoped = job->plan->security.landlock_scope,
	};
	/* Kernels that do not know a member refuse it only where it is not zero. */
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0)
		return fail(VISO_STAGE_LANDLOCK, 0, "landlock_create_ruleset");
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = job->plan->security.landlock_access,
		.parent_fd = job->root,
	};
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
		return fail(VISO_STAGE_LANDLOCK, 0, "landlock_add_rule");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return fail(VISO_STAGE_LANDLOCK, 0, "landlock_restrict_self");
	close(ruleset);
	return 0;
}

static int enter_root(const struct job *job)
{
	if (fchdir(job->root) < 0)
		return fail(VISO_STAGE_CHROOT, 0, "fchdir");
	if (chroot(".") < 0)
		return fail(VISO_STAGE_CHROOT, 0, "chroot");
	if (chdir("/") < 0)
		return fail(VISO_STAGE_CHROOT, 0, "chdir");
	note_step(VISO_STEP_MOUNTS);
	return 0;
}

int jail_enter_namespaces(struct job *job)
{
	/* The ids outside are asked for in the worker's name: inside they are not known yet. */
	if (idmap_write_one("self", job->plan, worker.uid, worker.gid) < 0)
		return -1;
	note_step(VISO_STEP_IDS);
	job->root = mounts_add_devices(job->root);
	return job->root < 0 ? -1 : 0;
}

int jail_harden(const struct job *job)
{
	if (job->plan->flags & PLAN_BARE)
		return 0;
	return forbid_new_privileges() < 0 ? -1 : restrict_to_root(job);
}

/*
 * The order of all steps, here and in exec_program(): control groups, for which the host's files are needed; chroot;
 * no_new_privs, then Landlock, which demands it; streams and the closing of all other fds, of which those of the root
 * and the ruleset were needed until now; session, keyring, limits; securebits and bounding set, which take
 * CAP_SETPCAP, then groups, gid and uid, and with them all capabilities; the working directory as the new user; not
 * dumpable; and seccomp last, since it refuses most of this.
 */
int jail_child(void *argument)
{
	struct job *job = argument;
	note_step(VISO_STEP_CLONED);
	if (attach_cgroups(job) == 0 && (!job_has_namespace(job) || jail_enter_namespaces(job) == 0) &&
	    enter_root(job) == 0 && jail_harden(job) == 0)
		exec_program(job);
	_exit(127);
}
