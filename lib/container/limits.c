/* SPDX-License-Identifier: MIT */
#include "container/container.h"

enum { MEMORY_LEAST = 1 << 20 };

int viso_container_set_memory_max(viso_container *container, uint64_t bytes)
{
	return sandbox_set_memory_max(container ? &container->sandbox : NULL, bytes, bytes ? MEMORY_LEAST : 0,
				      __func__);
}

int viso_container_set_processes_max(viso_container *container, uint64_t count)
{
	return sandbox_set_processes_max(container ? &container->sandbox : NULL, count, __func__);
}

int limits_add(struct launch_request *request, const viso_container *container)
{
	return request->error;
}

void limits_release(struct container_limits *limits)
{
}
