/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "container/container.h"

int viso_container_set_network(viso_container *container, viso_network network)
{
	return sandbox_set_network(container ? &container->sandbox : NULL, network, __func__);
}

int network_add(struct launch_request *request, const viso_container *container)
{
	return request->error;
}

void network_release(struct container_network *network)
{
	free(network->parent);
}
