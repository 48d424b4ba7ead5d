/* SPDX-License-Identifier: MIT */
/* The inside of a viso_container: a sandbox, and the settings by subject. */
#ifndef CONTAINER_CONTAINER_H
#define CONTAINER_CONTAINER_H

#include <virtiso/container.h>

#include "container/filesystem.h"
#include "container/limits.h"
#include "container/namespaces.h"
#include "container/network.h"
#include "container/prepare.h"
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
	bool prepared;                     /* guarded by the sandbox's lock, like the next */
	struct pool *pool;                 /* NULL before the first viso_container_prepare() */
	struct launched_instance instance; /* guarded by the sandbox's lock until there is one; then it stays */
};

/* As sandbox_check_setter(). */
int container_check_setter(viso_container *container, const char *function);

/* All settings by subject, into the plan of a start. 0 or a negative errno with the error set. */
int container_add_settings(struct launch_request *request, const viso_container *container);

#endif
