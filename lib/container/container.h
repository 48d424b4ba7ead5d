/* SPDX-License-Identifier: MIT */
/* The inside of a viso_container: a sandbox, and the settings by subject. */
#ifndef CONTAINER_CONTAINER_H
#define CONTAINER_CONTAINER_H

#include <virtiso/container.h>

#include "container/filesystem.h"
#include "container/limits.h"
#include "container/namespaces.h"
#include "container/network.h"
#include "container/security.h"
#include "launch/launched_instance.h"
#include "sandbox/sandbox.h"

struct viso_container {
	viso_sandbox sandbox; /* first, so that the one is the other */
	struct container_filesystem filesystem;
	struct container_namespaces namespaces;
	struct container_limits limits;
	struct container_security security;
	struct container_network network;
	struct launched_instance instance; /* guarded by the sandbox's lock until there is one; then it stays */
};

/* As sandbox_check_setter(). */
int container_check_setter(viso_container *container, const char *function);

#endif
