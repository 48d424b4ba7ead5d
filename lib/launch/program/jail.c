/* SPDX-License-Identifier: MIT */
/* What a jail's program does before the steps that all have in common: ids and devices, chroot, Landlock. */
#include <errno.h>

#include "launcher.h"

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
	return forbid_new_privileges(job->plan) < 0 ? -1 : landlock_restrict_to_root(job);
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
	if (cgroups_enter(job->cgroups, false) == 0 && attributes_apply(job->plan) == 0 &&
	    (!job_has_namespace(job) || jail_enter_namespaces(job) == 0) && enter_root(job) == 0 &&
	    jail_harden(job) == 0)
		exec_program(job);
	_exit(127);
}
