/* SPDX-License-Identifier: MIT */
/* In place of seccomp.c where the library is built without libseccomp. viso_machine says so. */
#include "core/log.h"
#include "launch/seccomp.h"

int seccomp_add(struct launch_request *request, viso_isolation isolation, viso_network network, uint64_t capabilities)
{
	log_warning("%s without a seccomp filter: the library was built without libseccomp",
		    viso_isolation_name(isolation));
	return 0;
}

bool seccomp_is_built(void)
{
	return false;
}
