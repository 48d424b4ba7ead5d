/* SPDX-License-Identifier: MIT */
/* What of the namespaces probe the container probe uses. */
#ifndef MACHINE_NAMESPACES_H
#define MACHINE_NAMESPACES_H

#include "machine/machine.h"

/* Whether the namespaces of a container, a user namespace first, and its /proc can be made here; says in `finding` why
 * where they cannot. */
bool namespaces_allow_container(struct finding *finding);

#endif
