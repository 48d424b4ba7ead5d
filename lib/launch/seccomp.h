/* SPDX-License-Identifier: MIT */
/* The default seccomp profile of jails and containers. */
#ifndef LAUNCH_SECCOMP_H
#define LAUNCH_SECCOMP_H

#include <stdbool.h>

#include "launch/request.h"

/*
 * Adds the filter to the request: what is dangerous or reaches beyond the sandbox is refused with EPERM, what can be
 * replaced or is newer than the profile with ENOSYS, so that programs fall back. A capability that the container keeps
 * lifts the refusal of the calls that need it. 0 or a negative errno with the error set.
 */
int seccomp_add(struct launch_request *request, viso_isolation isolation, viso_network network, uint64_t capabilities);

/* Whether the library was built with it. */
bool seccomp_is_built(void);

#endif
