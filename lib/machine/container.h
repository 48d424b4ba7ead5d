/* SPDX-License-Identifier: MIT */
/* What other probes contribute to that of containers. Each says in `finding` why where something is missing. */
#ifndef MACHINE_CONTAINER_H
#define MACHINE_CONTAINER_H

#include "machine/machine.h"

/* Whether the mount API by file descriptors is there. Containers can do without mount_setattr, which Linux 5.10 has
 * not. */
bool mounts_allow_container(struct finding *finding);

/* Whether all namespaces of a container, a user namespace first, and its /proc can be made here. */
bool namespaces_allow_container(struct finding *finding);

#endif
