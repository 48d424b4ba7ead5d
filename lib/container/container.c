/* SPDX-License-Identifier: MIT */
/* The container: namespaces. What is set up inside is in lib/launch/program/container.c and mounts.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <virtiso/container.h>

#include "core/error.h"
#include "launch/request.h"
#include "launch/seccomp.h"
#include "sandbox/sandbox.h"

struct viso_container {
	viso_sandbox sandbox;
	char *hostname; /* NULL for the default */
	uint64_t capabilities;
};

enum { MEMORY_LEAST = 1 << 20, HOSTNAME_MAX = 64 };
static const char default_hostname[] = "container";

/* The handle that embeds the sandbox: the first member. */
static viso_container *container_of(viso_sandbox *sandbox)
{
	return (viso_container *)sandbox;
}

static int container_spawn(viso_sandbox *sandbox, const viso_command *command, int root_fd, bool to_end,
			   viso_process *process)
{
	const viso_container *container = container_of(sandbox);
	struct launch_request request;
	int r = request_init(&request, PLAN_CONTAINER, sandbox, command, root_fd, to_end);
	if (r == 0) {
		plan_offset hostname =
			request_add_string(&request, container->hostname ? container->hostname : default_hostname);
		request.plan->hostname = hostname;
		request.plan->capabilities = container->capabilities;
		r = seccomp_add(&request, VISO_ISOLATION_CONTAINER, sandbox->network, container->capabilities);
	}
	if (r == 0)
		r = request_send(&request, process);
	request_release(&request);
	return r;
}

static const struct backend container_backend = {
	.isolation = VISO_ISOLATION_CONTAINER,
	.spawn = container_spawn,
};

viso_container *viso_container_new(void)
{
	viso_container *container = calloc(1, sizeof(*container));
	if (!container) {
		error_memory();
		return NULL;
	}
	if (sandbox_init(&container->sandbox, &container_backend) < 0) {
		free(container);
		return NULL;
	}
	return container;
}

viso_container *viso_container_ref(viso_container *container)
{
	if (container)
		handle_ref(&container->sandbox.handle);
	return container;
}

viso_container *viso_container_unref(viso_container *container)
{
	if (container && sandbox_unref(&container->sandbox)) {
		free(container->hostname);
		free(container);
	}
	return NULL;
}

viso_sandbox *viso_container_sandbox(viso_container *container)
{
	if (!container) {
		error_argument(__func__, "the container is NULL");
		return NULL;
	}
	return &container->sandbox;
}

int viso_container_set_root(viso_container *container, viso_root *root)
{
	return sandbox_set_root(container ? &container->sandbox : NULL, root, __func__);
}

int viso_container_set_memory_max(viso_container *container, uint64_t bytes)
{
	return sandbox_set_memory_max(container ? &container->sandbox : NULL, bytes, bytes ? MEMORY_LEAST : 0,
				      __func__);
}

int viso_container_set_processes_max(viso_container *container, uint64_t count)
{
	return sandbox_set_processes_max(container ? &container->sandbox : NULL, count, __func__);
}

int viso_container_set_network(viso_container *container, viso_network network)
{
	return sandbox_set_network(container ? &container->sandbox : NULL, network, __func__);
}

int viso_container_set_hostname(viso_container *container, const char *hostname)
{
	int r = sandbox_check_setter(container ? &container->sandbox : NULL, __func__);
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
	free(container->hostname);
	container->hostname = copy;
	return 0;
}

int viso_container_add_capability(viso_container *container, const char *capability)
{
	char name[40];
	cap_value_t value;
	int r = sandbox_check_setter(container ? &container->sandbox : NULL, __func__);
	if (r < 0)
		return r;
	if (!capability)
		return error_argument(__func__, "the capability is NULL");
	snprintf(name, sizeof(name), "cap_%s", strncasecmp(capability, "cap_", 4) ? capability : capability + 4);
	if (cap_from_name(name, &value) < 0 || value > 63)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, capability,
				  "%s: there is no capability '%s'; see capabilities(7)", __func__, capability);
	container->capabilities |= UINT64_C(1) << value;
	return 0;
}
