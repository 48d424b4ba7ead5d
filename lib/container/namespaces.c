/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "core/error.h"

enum { HOSTNAME_MAX = 64 };
static const char default_hostname[] = "container";

int viso_container_set_hostname(viso_container *container, const char *hostname)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!hostname || !*hostname)
		return error_argument(__func__, "the host name is NULL or empty");
	if (strlen(hostname) > HOSTNAME_MAX)
		return error_fail(VISO_STAGE_ARGUMENT, ENAMETOOLONG, hostname,
				  "%s: the host name is longer than %d bytes", __func__, HOSTNAME_MAX);
	char *copy = strdup(hostname);
	if (!copy)
		return error_memory();
	free(container->namespaces.hostname);
	container->namespaces.hostname = copy;
	return 0;
}

int namespaces_add(struct launch_request *request, const viso_container *container)
{
	const char *hostname = container->namespaces.hostname ? container->namespaces.hostname : default_hostname;
	plan_offset offset = request_add_string(request, hostname);
	request->plan->namespaces.hostname = offset;
	return request->error;
}

void namespaces_release(struct container_namespaces *namespaces)
{
	free(namespaces->hostname);
}
