/* SPDX-License-Identifier: MIT */
/* The container: namespaces. What is set up inside is in lib/launch/program/container.c and mount/. */
#include "container/container.h"

#include <stdlib.h>

#include "core/error.h"
#include "launch/copy/copy.h"
#include "launch/pool.h"

/* The handle that embeds the sandbox: the first member. */
static viso_container *container_of(viso_sandbox *sandbox)
{
	return (viso_container *)sandbox;
}

int container_add_settings(struct launch_request *request, const viso_container *container)
{
	static int (*const add[])(struct launch_request *, const viso_container *) = {
		namespaces_add, filesystem_add, limits_add, security_add, network_add, hooks_add, prepare_add,
	};
	int r = 0;
	for (size_t i = 0; i < sizeof(add) / sizeof(add[0]) && r == 0; i++)
		r = add[i](request, container);
	return r;
}

static int spawn_alone(viso_container *container, const viso_command *command, int root_fd, bool to_end,
		       viso_process *process)
{
	struct launch_request request;
	int r = request_init(&request, PLAN_CONTAINER, &container->sandbox, command, root_fd, to_end);
	if (r == 0)
		r = container_add_settings(&request, container);
	if (r == 0)
		r = network_prepare(container, process);
	if (r == 0)
		r = container->pool ? pool_send(container->pool, &request, process) : 1;
	if (r == 1)
		r = request_send(&request, process);
	request_release(&request);
	return r;
}

static int container_spawn(viso_sandbox *sandbox, const viso_command *command, int root_fd, bool to_end,
			   viso_process *process)
{
	viso_container *container = container_of(sandbox);
	return launched_instance_plans(&container->instance, sandbox) < 0
		       ? spawn_alone(container, command, root_fd, to_end, process)
		       : container_instance_spawn(container, command, to_end, process);
}

int container_request_instance(const viso_container *container, int root_fd, struct launch_request *request)
{
	int r = request_init_instance(request, PLAN_CONTAINER, &container->sandbox, root_fd);
	return r < 0 ? r : container_add_settings(request, container);
}

static void container_close(viso_sandbox *sandbox)
{
	const viso_container *container = container_of(sandbox);
	container_instance_close(sandbox);
	if (container->pool)
		pool_close(container->pool);
}

static const struct backend container_backend = {
	.isolation = VISO_ISOLATION_CONTAINER,
	.spawn = container_spawn,
	.start = container_instance_start,
	.pids = container_instance_pids,
	.usage = container_instance_usage,
	.pause = container_instance_pause,
	.root = container_instance_root,
	.copy_in = copy_in,
	.copy_out = copy_out,
	.close = container_close,
};

viso_container *viso_container_new(void)
{
	viso_container *container = calloc(1, sizeof(*container));
	if (!container) {
		error_memory();
		return NULL;
	}
	container->instance = LAUNCHED_INSTANCE_NONE;
	container->detached.directory = -1;
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
		launched_instance_release(&container->instance);
		container_detached_release(&container->detached);
		filesystem_release(&container->filesystem);
		namespaces_release(&container->namespaces);
		limits_release(&container->limits);
		security_release(&container->security);
		network_release(&container->network);
		pool_unref(container->pool);
		hooks_release(&container->hooks);
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

int container_check_setter(viso_container *container, const char *function)
{
	return sandbox_check_setter(container ? &container->sandbox : NULL, function);
}
