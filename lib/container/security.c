/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/capability.h>

#include "container/container.h"
#include "core/error.h"
#include "launch/seccomp.h"

int viso_container_add_capability(viso_container *container, const char *capability)
{
	char name[40];
	cap_value_t value;
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!capability)
		return error_argument(__func__, "the capability is NULL");
	snprintf(name, sizeof(name), "cap_%s", strncasecmp(capability, "cap_", 4) ? capability : capability + 4);
	if (cap_from_name(name, &value) < 0 || value > 63)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, capability,
				  "%s: there is no capability '%s'; see capabilities(7)", __func__, capability);
	container->security.capabilities |= UINT64_C(1) << value;
	return 0;
}

int security_add(struct launch_request *request, const viso_container *container)
{
	request->plan->security.capabilities = container->security.capabilities;
	return seccomp_add(request, VISO_ISOLATION_CONTAINER, container->sandbox.network,
			   container->security.capabilities);
}

void security_release(struct container_security *security)
{
}
