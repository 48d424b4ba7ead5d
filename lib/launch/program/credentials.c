/* SPDX-License-Identifier: MIT */
/*
 * Ids, capabilities, secure bits, no_new_privs.
 *
 * The order: secure bits and bounding set take CAP_SETPCAP; then groups, gid and uid; then the sets in one capset(2),
 * with which the rest is lost. Ambient capabilities must be raised before, where the final secure bits forbid it.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <virtiso/container_namespaces.h>

#include "launcher.h"

int forbid_new_privileges(const struct plan *plan)
{
	if (!(plan->security.flags & PLAN_NEW_PRIVILEGES) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(VISO_STAGE_CAPABILITIES, 0, "PR_SET_NO_NEW_PRIVS");
	return 0;
}

int limit_bounding_set(const struct plan *plan)
{
	if (worker.bounding_set_done)
		return 0;
	/*
	 * It is the worker's, which it has emptied for all starts to come, or the full one of a new user namespace
	 * (user_namespaces(7)): its first capability tells which.
	 */
	if (worker.bounding_set_empty && prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0) == 0)
		return 0;
	return drop_bounding_set(plan->security.capabilities.bounding) < 0
		       ? fail(VISO_STAGE_CAPABILITIES, 0, "PR_CAPBSET_DROP")
		       : 0;
}

static int capset(const struct plan_capabilities *sets)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(sets->effective >> (32 * i));
		data[i].permitted = (uint32_t)(sets->permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(sets->inheritable >> (32 * i));
	}
	return syscall(SYS_capset, &header, data) < 0 ? fail(VISO_STAGE_CAPABILITIES, 0, "capset") : 0;
}

/* Keeps all that is permitted now, which the following steps need. */
static int raise_ambient(const struct plan_capabilities *wanted)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return fail(VISO_STAGE_CAPABILITIES, 0, "capget");
	struct plan_capabilities sets = {.inheritable = wanted->inheritable};
	sets.permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	sets.effective = sets.permitted;
	if (capset(&sets) < 0)
		return -1;
	for (unsigned long capability = 0; capability < 64 && wanted->ambient >> capability; capability++)
		if ((wanted->ambient >> capability & 1) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
			return fail(VISO_STAGE_CAPABILITIES, 0, "PR_CAP_AMBIENT_RAISE");
	return 0;
}

static int set_securebits(unsigned long bits)
{
	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? fail(VISO_STAGE_CAPABILITIES, 0, "PR_SET_SECUREBITS") : 0;
}

static int set_ids(const struct job *job)
{
	const struct plan *plan = job->plan;
	uint32_t uid = plan->uid, gid = plan->gid;
	if (plan->isolation == PLAN_JAIL && worker.owns_ids && !(plan->flags & PLAN_HAS_USER))
		uid = gid = job->host_uid + plan->uid;
	/*
	 * Where groups are denied, an ordinary user cannot even give them up, and what joins a user namespace has done
	 * so before; asking for some is an error that the kernel tells.
	 */
	if (syscall(SYS_setgroups, (size_t)plan->group_count, plan->groups) < 0 &&
	    (plan->group_count || (worker.owns_ids && !plan->namespaces.joined[VISO_NAMESPACE_USER])))
		return fail(VISO_STAGE_CREDENTIALS, 0, "setgroups");
	if (syscall(SYS_setresgid, gid, gid, gid) < 0)
		return fail(VISO_STAGE_CREDENTIALS, 0, "setresgid");
	if (syscall(SYS_setresuid, uid, uid, uid) < 0)
		return fail(VISO_STAGE_CREDENTIALS, 0, "setresuid");
	return 0;
}

/*
 * Without no_new_privs a filter takes CAP_SYS_ADMIN (seccomp(2)). It is in no set that lasts: execve(2) forgets the
 * permitted and effective ones, so that no call for its sake stands behind the filter.
 */
static struct plan_capabilities until_exec(const struct plan *plan)
{
	struct plan_capabilities sets = plan->security.capabilities;
	if ((plan->security.flags & PLAN_NEW_PRIVILEGES) && plan->security.filter_count) {
		sets.permitted |= UINT64_C(1) << CAP_SYS_ADMIN;
		sets.effective |= UINT64_C(1) << CAP_SYS_ADMIN;
	}
	return sets;
}

/* In a bare jail the kernel's own rules hold: root keeps its capabilities, everybody else has none (capabilities(7)).
 */
int set_credentials(const struct job *job)
{
	static const unsigned long no_raise = SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	static const unsigned long strict = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
					    SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | no_raise;
	const struct plan_security *security = &job->plan->security;
	if (job->plan->flags & PLAN_BARE)
		return set_ids(job);
	/* Without NO_SETUID_FIXUP, setresuid would clear the capabilities that are set later. */
	bool own = security->flags & PLAN_OWN_SECUREBITS;
	unsigned long last = own ? security->securebits : strict;
	unsigned long first = own                              ? SECBIT_NO_SETUID_FIXUP
			      : security->capabilities.ambient ? strict & ~no_raise
							       : strict;
	if (set_securebits(first) < 0 || limit_bounding_set(job->plan) < 0 || set_ids(job) < 0)
		return -1;
	if (first != last && (raise_ambient(&security->capabilities) < 0 || set_securebits(last) < 0))
		return -1;
	struct plan_capabilities sets = until_exec(job->plan);
	return capset(&sets);
}
