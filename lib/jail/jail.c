/* SPDX-License-Identifier: MIT */
/* The jail: chroot, hardened. What it does to its program is in lib/launch/program/jail.c. */
#include "jail/jail.h"

#include <stdlib.h>

#include "command/command.h"
#include "core/error.h"
#include "core/log.h"
#include "launch/landlock.h"
#include "launch/request.h"
#include "launch/seccomp.h"

enum { MEMORY_LEAST = 1 << 20 };

static viso_jail *jail_of(viso_sandbox *sandbox)
{
	return (viso_jail *)sandbox;
}

/* Lets the launcher close what this kernel can close. */
static int harden(const viso_jail *jail, struct launch_request *request)
{
	if (jail->bare) {
		request->plan->flags |= PLAN_BARE;
		return 0;
	}
	int abi = landlock_abi();
	if (abi == 0)
		log_warning("jail without Landlock: this kernel has none");
	request->plan->landlock_access = landlock_access(abi);
	request->plan->landlock_scope = landlock_scopes(abi);
	return seccomp_add(request, VISO_ISOLATION_JAIL, jail->sandbox.network, 0);
}

static int jail_spawn(viso_sandbox *sandbox, const viso_command *command, int root_fd, bool to_end,
		      viso_process *process)
{
	viso_jail *jail = jail_of(sandbox);
	struct launch_request request;
	int r = hardening_check(jail);
	if (r < 0)
		return r;
	if (command->has_user)
		atomic_store(&jail->had_user, true);
	r = request_init(&request, PLAN_JAIL, sandbox, command, root_fd, to_end);
	if (r == 0)
		r = harden(jail, &request);
	if (r == 0)
		r = request_send(&request, process);
	request_release(&request);
	return r;
}

static const struct backend jail_backend = {
	.isolation = VISO_ISOLATION_JAIL,
	.spawn = jail_spawn,
};

viso_jail *viso_jail_new(void)
{
	viso_jail *jail = calloc(1, sizeof(*jail));
	if (!jail) {
		error_memory();
		return NULL;
	}
	if (sandbox_init(&jail->sandbox, &jail_backend) < 0) {
		free(jail);
		return NULL;
	}
	return jail;
}

viso_jail *viso_jail_ref(viso_jail *jail)
{
	if (jail)
		handle_ref(&jail->sandbox.handle);
	return jail;
}

viso_jail *viso_jail_unref(viso_jail *jail)
{
	if (jail && sandbox_unref(&jail->sandbox))
		free(jail);
	return NULL;
}

viso_sandbox *viso_jail_sandbox(viso_jail *jail)
{
	if (!jail) {
		error_argument(__func__, "the jail is NULL");
		return NULL;
	}
	return &jail->sandbox;
}

int viso_jail_set_root(viso_jail *jail, viso_root *root)
{
	return sandbox_set_root(jail ? &jail->sandbox : NULL, root, __func__);
}

int viso_jail_set_memory_max(viso_jail *jail, uint64_t bytes)
{
	return sandbox_set_memory_max(jail ? &jail->sandbox : NULL, bytes, bytes ? MEMORY_LEAST : 0, __func__);
}

int viso_jail_set_processes_max(viso_jail *jail, uint64_t count)
{
	return sandbox_set_processes_max(jail ? &jail->sandbox : NULL, count, __func__);
}

int viso_jail_set_network(viso_jail *jail, viso_network network)
{
	return sandbox_set_network(jail ? &jail->sandbox : NULL, network, __func__);
}
