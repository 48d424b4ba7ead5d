/* SPDX-License-Identifier: MIT */
/* In place of seccomp.c where the library is built without libseccomp. viso_machine says so. */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "launch/seccomp/oci.h"

int seccomp_add(struct launch_request *request, const struct seccomp_wish *wish)
{
	log_warning("%s without a seccomp filter: the library was built without libseccomp",
		    viso_isolation_name(wish->isolation));
	return 0;
}

int seccomp_rules_add(struct seccomp_rules *rules, const struct seccomp_rule *rule)
{
	return error_fail(VISO_STAGE_SECCOMP, EOPNOTSUPP, "seccomp", "the library was built without libseccomp");
}

void seccomp_rules_release(struct seccomp_rules *rules)
{
}

bool seccomp_rules_notify(const struct seccomp_rules *rules)
{
	return false;
}

int seccomp_number(const char *name)
{
	return -ENOENT;
}

bool seccomp_name(int number, char *name)
{
	strcpy(name, "unknown");
	return false;
}

int oci_profile_parse(const char *text, size_t size, const char *name, struct oci_profile *out_profile)
{
	return error_fail(VISO_STAGE_SECCOMP, EOPNOTSUPP, name, "the library was built without libseccomp");
}

void oci_profile_release(struct oci_profile *profile)
{
}

int oci_profile_rules(const struct oci_profile *profile, uint64_t capabilities, struct seccomp_rules *rules)
{
	return 0;
}

bool seccomp_is_built(void)
{
	return false;
}
