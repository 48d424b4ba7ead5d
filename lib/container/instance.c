/* SPDX-License-Identifier: MIT */
/* An instance of a container that stays, as the host program sees it; program/joined.c is the other side. */
#include <errno.h>

#include "container/container.h"
#include "core/error.h"
#include "launch/detached.h"
#include "root/root.h"

static viso_container *container_of(viso_sandbox *sandbox)
{
	return (viso_container *)sandbox;
}

int container_instance_spawn(viso_container *container, const viso_command *command, bool to_end, viso_process *process)
{
	const struct launched_instance *instance = &container->instance;
	struct launch_request request;
	int r = request_init_in_instance(&request, PLAN_CONTAINER, &container->sandbox, command, instance->root, to_end,
					 instance->plan);
	if (r == 0)
		r = network_share(container, process);
	if (r == 0)
		r = request_send_to_instance(&request, instance->plans, process);
	request_release(&request);
	return r;
}

/* What goes on without the host program needs files that do, too. */
static int check_roots(const viso_container *container)
{
	bool goes = root_goes_with_host(container->sandbox.root);
	for (size_t i = 0; i < container->filesystem.layer_count; i++)
		goes |= root_goes_with_host(container->filesystem.layers[i]);
	return goes ? error_fail(
			      VISO_STAGE_ROOT, EINVAL, "viso_container_set_detached",
			      "a container that is detached needs a root that stays, and this one goes with the host "
			      "program; give it a directory with viso_root_set_path()")
		    : 0;
}

static int start_request(viso_container *container, struct launch_request *request, struct launched_instance *out)
{
	struct detached_entry entry;
	struct process_network *network = NULL;
	bool detached = container->detached.directory >= 0;
	/* Nobody would take its interfaces and rules back. */
	if (detached && container->sandbox.network > VISO_NETWORK_HOST)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, "viso_container_set_network",
				  "a container that is detached has VISO_NETWORK_NONE or VISO_NETWORK_HOST only");
	if (!detached) {
		int r = network_new(container, &network);
		return r < 0 ? r : launched_instance_start(out, request, VISO_ISOLATION_CONTAINER, NULL, network);
	}
	int r = check_roots(container);
	if (r < 0)
		return r;
	r = detached_begin(&entry, container->detached.directory, container->detached.name);
	if (r < 0)
		return r;
	r = launched_instance_start(out, request, VISO_ISOLATION_CONTAINER, &entry, NULL);
	detached_finish(&entry, r == 0);
	return r;
}

/* What a command leaves running would go to the init of that namespace, where nobody finds it again. */
static int check_settings(const struct launch_request *request)
{
	if (request->plan->namespaces.joined[VISO_NAMESPACE_PID])
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, "viso_container_join_namespace: pid",
				  "a container that stays needs a pid namespace of its own");
	return 0;
}

/* Started without the lock. */
int container_instance_start(viso_sandbox *sandbox, int root_fd)
{
	viso_container *container = container_of(sandbox);
	struct launched_instance instance;
	struct launch_request request;
	if (launched_instance_plans(&container->instance, sandbox) >= 0)
		return 0;
	int r = container_request_instance(container, root_fd, &request);
	if (r == 0)
		r = check_settings(&request);
	if (r == 0)
		r = start_request(container, &request, &instance);
	request_release(&request);
	if (r == -EEXIST && launched_instance_plans(&container->instance, sandbox) >= 0)
		return 0; /* another thread was faster */
	return r < 0 ? r : launched_instance_keep(&container->instance, sandbox, &instance);
}

int container_instance_pids(viso_sandbox *sandbox, struct pids *pids)
{
	viso_container *container = container_of(sandbox);
	return launched_instance_plans(&container->instance, sandbox) < 0
		       ? 0
		       : launched_instance_pids(&container->instance, pids);
}

int container_instance_usage(viso_sandbox *sandbox, int64_t *figures)
{
	viso_container *container = container_of(sandbox);
	return launched_instance_plans(&container->instance, sandbox) < 0
		       ? 0
		       : launched_instance_usage(&container->instance, figures);
}

int container_instance_pause(viso_sandbox *sandbox, bool pause)
{
	viso_container *container = container_of(sandbox);
	return launched_instance_plans(&container->instance, sandbox) < 0
		       ? 0
		       : launched_instance_pause(&container->instance, pause);
}

int container_instance_root(viso_sandbox *sandbox, int *out_root)
{
	const struct launched_instance *instance = &container_of(sandbox)->instance;
	if (launched_instance_plans(instance, sandbox) < 0)
		return -1;
	*out_root = instance->root;
	return 0;
}

void container_instance_close(viso_sandbox *sandbox)
{
	launched_instance_end(&container_of(sandbox)->instance);
}
