/* SPDX-License-Identifier: MIT */
/* The inside of a viso_container: a sandbox, and the settings by subject. */
#ifndef CONTAINER_CONTAINER_H
#define CONTAINER_CONTAINER_H

#include <virtiso/container.h>

#include "container/filesystem.h"
#include "container/hooks.h"
#include "container/limits.h"
#include "container/namespaces.h"
#include "container/network.h"
#include "container/prepare.h"
#include "container/security.h"
#include "launch/launched_instance.h"
#include "sandbox/sandbox.h"

/* Where the instance can be found again when the host program has ended. */
struct container_detached {
	int directory; /* -1: it ends with the host program */
	char name[65];
};

struct viso_container {
	viso_sandbox sandbox; /* first, so that the one is the other */
	struct container_filesystem filesystem;
	struct container_namespaces namespaces;
	struct container_limits limits;
	struct container_security security;
	struct container_network network;
	bool prepared;     /* guarded by the sandbox's lock, like the next */
	struct pool *pool; /* NULL before the first viso_container_prepare() */
	struct container_hooks hooks;
	struct container_detached detached;
	struct launched_instance instance; /* guarded by the sandbox's lock until there is one; then it stays */
};

/* instance.c: what the backend does about an instance. */
int container_instance_spawn(viso_container *container, const viso_command *command, bool to_end,
			     viso_process *process);
int container_instance_start(viso_sandbox *sandbox, int root_fd);
int container_instance_pids(viso_sandbox *sandbox, struct pids *pids);
int container_instance_usage(viso_sandbox *sandbox, int64_t *figures);
int container_instance_pause(viso_sandbox *sandbox, bool pause);
int container_instance_root(viso_sandbox *sandbox, int *out_root);
void container_instance_close(viso_sandbox *sandbox);

/* The plan of one. 0 or a negative errno with the error set; in any case the request is to be released. */
int container_request_instance(const viso_container *container, int root_fd, struct launch_request *request);

void container_detached_release(struct container_detached *detached);

/* As sandbox_check_setter(). */
int container_check_setter(viso_container *container, const char *function);

/* All settings by subject, into the plan of a start. 0 or a negative errno with the error set. */
int container_add_settings(struct launch_request *request, const viso_container *container);

#endif
