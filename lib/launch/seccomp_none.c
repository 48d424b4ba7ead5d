/* SPDX-License-Identifier: MIT */
/* In place of seccomp.c where the library is built without libseccomp. viso_machine says so. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "launch/seccomp.h"

int seccomp_add(struct launch_request *request, const struct seccomp_wish *wish)
{
	log_warning("%s without a seccomp filter: the library was built without libseccomp",
		    viso_isolation_name(wish->isolation));
	return 0;
}

int seccomp_rules_add(struct seccomp_rules *rules, const struct seccomp_rule *rule)
{
	return -EOPNOTSUPP;
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

bool seccomp_is_built(void)
{
	return false;
}
