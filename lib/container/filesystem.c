/* SPDX-License-Identifier: MIT */
#include "container/container.h"

int filesystem_add(struct launch_request *request, const viso_container *container)
{
	return request->error;
}

void filesystem_release(struct container_filesystem *filesystem)
{
}
