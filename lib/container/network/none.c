/* SPDX-License-Identifier: MIT */
/* Built without libmnl. */
#include <errno.h>

#include "container/network/connect.h"
#include "core/error.h"

struct process_network *network_connection_new(const struct container_network *settings, viso_network kind)
{
	error_fail(
		VISO_STAGE_NETWORK, EOPNOTSUPP, "libmnl",
		"the library was built without libmnl; containers have VISO_NETWORK_NONE and VISO_NETWORK_HOST only");
	return NULL;
}
