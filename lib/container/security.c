/* SPDX-License-Identifier: MIT */
/* Capabilities, secure bits, no_new_privs; and what of the settings cannot be together. */
#include "container/security.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/capability.h>

#include "container/container.h"
#include "core/error.h"

enum {
	ALL_SETS = VISO_CAPABILITY_EFFECTIVE | VISO_CAPABILITY_PERMITTED | VISO_CAPABILITY_INHERITABLE |
		   VISO_CAPABILITY_BOUNDING | VISO_CAPABILITY_AMBIENT,
	/* Six bits with their locks, and two with theirs of Linux 6.14 (linux/securebits.h). */
	ALL_SECUREBITS = 0xfff,
};

static int add_capability(viso_container *container, unsigned sets, const char *capability, const char *function)
{
	char name[40];
	cap_value_t value;
	int r = container_check_setter(container, function);
	if (r < 0)
		return r;
	if (!capability)
		return error_argument(function, "the capability is NULL");
	if (!sets || (sets & ~ALL_SETS))
		return error_argument(function, "no such capability set");
	snprintf(name, sizeof(name), "cap_%s", strncasecmp(capability, "cap_", 4) ? capability : capability + 4);
	if (cap_from_name(name, &value) < 0 || value > 63)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, capability,
				  "%s: there is no capability '%s'; see capabilities(7)", function, capability);
	struct plan_capabilities *all = &container->security.capabilities;
	uint64_t bit = UINT64_C(1) << value;
	all->effective |= sets & VISO_CAPABILITY_EFFECTIVE ? bit : 0;
	all->permitted |= sets & VISO_CAPABILITY_PERMITTED ? bit : 0;
	all->inheritable |= sets & VISO_CAPABILITY_INHERITABLE ? bit : 0;
	all->bounding |= sets & VISO_CAPABILITY_BOUNDING ? bit : 0;
	all->ambient |= sets & VISO_CAPABILITY_AMBIENT ? bit : 0;
	return 0;
}

/*
 * Inheritable only because the kernel has no ambient capability without (capabilities(7)): what a file with the same
 * inheritable ones would give, the program has already. That is the difference to CVE-2022-27650 and 2022-29162.
 */
int viso_container_add_capability(viso_container *container, const char *capability)
{
	return add_capability(container, ALL_SETS, capability, __func__);
}

int viso_container_add_capability_to(viso_container *container, unsigned sets, const char *capability)
{
	return add_capability(container, sets, capability, __func__);
}

int viso_container_set_securebits(viso_container *container, unsigned bits)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (bits & ~(unsigned)ALL_SECUREBITS)
		return error_argument(__func__, "there is no such secure bit");
	container->security.has_securebits = true;
	container->security.securebits = bits;
	return 0;
}

int viso_container_set_new_privileges(viso_container *container, int allowed)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (allowed != 0 && allowed != 1)
		return error_argument(__func__, "new privileges are 0 or 1");
	container->security.new_privileges = allowed;
	return 0;
}

/* `set` must have no capability that is not in `other`. */
static int check_sets(uint64_t set, const char *set_name, uint64_t other, const char *other_name)
{
	uint64_t alone = set & ~other;
	if (!alone)
		return 0;
	int value = __builtin_ctzll(alone);
	char *name = cap_to_name(value);
	int r = error_fail(VISO_STAGE_CAPABILITIES, EINVAL, name ? name : "capability",
			   "viso_container_add_capability_to: capability %d (%s) is %s without being %s, which the "
			   "kernel does not allow; add it to both sets",
			   value, name ? name : "unknown", set_name, other_name);
	cap_free(name);
	return r;
}

static int check_capabilities(const struct plan_capabilities *sets)
{
	int r = check_sets(sets->effective, "effective", sets->permitted, "permitted");
	if (r == 0)
		r = check_sets(sets->ambient, "ambient", sets->permitted, "permitted");
	if (r == 0)
		r = check_sets(sets->ambient, "ambient", sets->inheritable, "inheritable");
	if (r == 0)
		r = check_sets(sets->inheritable, "inheritable", sets->bounding, "in the bounding set");
	return r;
}

int security_add(struct launch_request *request, const viso_container *container)
{
	const struct container_security *security = &container->security;
	int r = check_capabilities(&security->capabilities);
	if (r < 0)
		return r;
	struct plan_security *plan = &request->plan->security;
	plan->capabilities = security->capabilities;
	plan->securebits = security->securebits;
	plan->flags |= security->has_securebits ? PLAN_OWN_SECUREBITS : 0;
	plan->flags |= security->new_privileges ? PLAN_NEW_PRIVILEGES : 0;
	r = security_add_seccomp(request, container);
	return r < 0 ? r : security_add_landlock(request, container);
}

void security_release(struct container_security *security)
{
	for (size_t i = 0; i < security->path_count; i++)
		free(security->paths[i].path);
	free(security->paths);
	seccomp_rules_release(&security->rules);
	if (security->profile == SECCOMP_LOADED)
		oci_profile_release(&security->loaded);
}
