/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: programs that run at certain moments of its life. */
#ifndef CONTAINER_HOOKS_H
#define CONTAINER_HOOKS_H

#include <virtiso/container.h>

#include "core/strings.h"
#include "launch/request.h"

struct container_hook {
	viso_hook when;
	char *path;
	char *cwd;
	struct strings argv; /* with argv[0] */
	struct strings env;
	uint64_t timeout_ms; /* 0 for the default */
};

struct container_hooks {
	struct container_hook *items;
	size_t count;
	char *bundle; /* the directory that the container was loaded from; NULL for none */
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int hooks_add(struct launch_request *request, const viso_container *container);

void hooks_release(struct container_hooks *hooks);

/* Adds a hook, whose strings it takes over, also on failure. 0 or a negative errno with the error set. */
int hooks_take(struct container_hooks *hooks, struct container_hook *hook);

void hook_release(struct container_hook *hook);

#endif
