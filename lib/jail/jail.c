/* SPDX-License-Identifier: MIT */
/* The jail: chroot, hardened. What it does to its program is in lib/launch/program/jail.c. */
#include "jail/jail.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "command/command.h"
#include "core/error.h"
#include "core/log.h"
#include "launch/copy/copy.h"
#include "launch/landlock.h"
#include "launch/request.h"
#include "launch/seccomp/seccomp.h"

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
	request->plan->security.landlock_access = landlock_access(abi);
	request->plan->security.landlock_scope = landlock_scopes(abi);
	const struct seccomp_wish wish = {.isolation = VISO_ISOLATION_JAIL, .network = jail->sandbox.network};
	return seccomp_add(request, &wish);
}

/* A unix socket can bring directories (unix(7)), for which Landlock has not all the rights that one would need. */
static void look_for_unix_sockets(viso_jail *jail, const struct launch_request *request)
{
	for (int i = 2; i < request->fd_count; i++) { /* behind the channel and the root */
		int domain;
		socklen_t size = sizeof(domain);
		if (getsockopt(request->fds[i], SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX)
			atomic_store(&jail->had_unix_socket, true);
	}
}

static int spawn_alone(viso_jail *jail, const viso_command *command, int root_fd, bool to_end, viso_process *process)
{
	struct launch_request request;
	int r = request_init(&request, PLAN_JAIL, &jail->sandbox, command, root_fd, to_end);
	if (r == 0)
		r = harden(jail, &request);
	if (r == 0) {
		look_for_unix_sockets(jail, &request);
		r = request_send(&request, process);
	}
	request_release(&request);
	return r;
}

static int spawn_in_instance(viso_jail *jail, int instance, const viso_command *command, int root_fd, bool to_end,
			     viso_process *process)
{
	struct launch_request request;
	int r = request_init_in_instance(&request, PLAN_JAIL, &jail->sandbox, command, root_fd, to_end, NULL);
	if (r == 0)
		r = harden(jail, &request);
	/* It is in the instance's Landlock domain already; in one of its own it could not signal the others. */
	if (r == 0) {
		request.plan->security.landlock_access = request.plan->security.landlock_scope = 0;
		if (!command->receives_files)
			look_for_unix_sockets(jail, &request);
		r = request_send_to_instance(&request, instance, process);
	}
	request_release(&request);
	return r;
}

static int jail_spawn(viso_sandbox *sandbox, const viso_command *command, int root_fd, bool to_end,
		      viso_process *process)
{
	viso_jail *jail = jail_of(sandbox);
	int r = hardening_check(jail);
	if (r < 0)
		return r;
	if (command->has_user)
		atomic_store(&jail->had_user, true);
	int instance = launched_instance_plans(&jail->instance, &jail->sandbox);
	return instance < 0 ? spawn_alone(jail, command, root_fd, to_end, process)
			    : spawn_in_instance(jail, instance, command, root_fd, to_end, process);
}

static int start_instance(viso_jail *jail, int root_fd, struct launched_instance *out_instance)
{
	struct launch_request request;
	int r = request_init_instance(&request, PLAN_JAIL, &jail->sandbox, root_fd);
	if (r == 0)
		r = harden(jail, &request);
	if (r == 0)
		r = launched_instance_start(out_instance, &request, VISO_ISOLATION_JAIL, NULL, NULL);
	request_release(&request);
	return r;
}

/* Started without the lock. */
static int jail_start(viso_sandbox *sandbox, int root_fd)
{
	viso_jail *jail = jail_of(sandbox);
	struct launched_instance instance;
	if (launched_instance_plans(&jail->instance, &jail->sandbox) >= 0)
		return 0;
	int r = hardening_check(jail);
	if (r == 0)
		r = start_instance(jail, root_fd, &instance);
	if (r < 0)
		return r;
	return launched_instance_keep(&jail->instance, sandbox, &instance);
}

static int jail_pids(viso_sandbox *sandbox, struct pids *pids)
{
	viso_jail *jail = jail_of(sandbox);
	return launched_instance_plans(&jail->instance, &jail->sandbox) < 0
		       ? 0
		       : launched_instance_pids(&jail->instance, pids);
}

static int jail_root(viso_sandbox *sandbox, int *out_root)
{
	const viso_jail *jail = jail_of(sandbox);
	if (launched_instance_plans(&jail->instance, sandbox) < 0)
		return -1;
	*out_root = jail->instance.root;
	return 0;
}

static int jail_usage(viso_sandbox *sandbox, int64_t *figures)
{
	viso_jail *jail = jail_of(sandbox);
	return launched_instance_plans(&jail->instance, sandbox) < 0
		       ? 0
		       : launched_instance_usage(&jail->instance, figures);
}

static int jail_pause(viso_sandbox *sandbox, bool pause)
{
	viso_jail *jail = jail_of(sandbox);
	return launched_instance_plans(&jail->instance, sandbox) < 0 ? 0
								     : launched_instance_pause(&jail->instance, pause);
}

static void jail_close(viso_sandbox *sandbox)
{
	launched_instance_end(&jail_of(sandbox)->instance);
}

static const struct backend jail_backend = {
	.isolation = VISO_ISOLATION_JAIL,
	.spawn = jail_spawn,
	.start = jail_start,
	.pids = jail_pids,
	.root = jail_root,
	.copy_in = copy_in,
	.copy_out = copy_out,
	.usage = jail_usage,
	.pause = jail_pause,
	.close = jail_close,
};

viso_jail *viso_jail_new(void)
{
	viso_jail *jail = calloc(1, sizeof(*jail));
	if (!jail) {
		error_memory();
		return NULL;
	}
	jail->instance = LAUNCHED_INSTANCE_NONE;
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
	if (jail && sandbox_unref(&jail->sandbox)) {
		launched_instance_release(&jail->instance);
		free(jail);
	}
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
