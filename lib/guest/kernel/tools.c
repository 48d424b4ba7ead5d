/* SPDX-License-Identifier: MIT */
#include "guest/kernel/tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "guest/agent/agent.h"
#include "guest/agent/initramfs.h"
#include "guest/guest.h"
#include "guest/kernel/boot.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/snapshot/computer.h"
#include "launch/copy/copy.h"

/* BOOT_MS: until an operating system has its agent running; a kernel that is emulated takes half a minute. */
enum { BOOT_MS = 180000 };

static const char default_line[] = "console=ttyS0 quiet panic=-1";

void tools_init(struct tools *tools)
{
	pthread_mutex_init(&tools->start, NULL);
	tools->port = tools->socket = tools->initramfs = -1;
}

/* The caller may have given the port of that name away. */
static bool has_own_port(const struct kernel_guest *kernel)
{
	for (unsigned i = 0; i < kernel->devices.port_count; i++)
		if (!strcmp(kernel->devices.ports[i].name, AGENT_PORT_NAME))
			return true;
	return false;
}

static bool can_have_agent(const struct kernel_guest *kernel)
{
	return kernel->platform == VISO_PLATFORM_MICROVM && !kernel->is_flat && !has_own_port(kernel);
}

static int fail_without_port(void)
{
	return error_fail(
		VISO_STAGE_GUEST, EOPNOTSUPP, "agent",
		"commands need viso-agent in the guest, and the computer has no port for it: only one of "
		"VISO_PLATFORM_MICROVM with a kernel has, where the port's name is not given away; boot it by "
		"viso_guest_boot()");
}

static int open_port(struct kernel_guest *kernel)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "socketpair", NULL);
	for (int i = 0; i < 2; i++)
		ends[i] = fd_above_streams(ends[i]);
	if (ends[0] < 0 || ends[1] < 0) {
		int r = error_fail(VISO_STAGE_GUEST, errno, "socketpair", NULL);
		close_fd(ends[0]);
		close_fd(ends[1]);
		return r;
	}
	pthread_mutex_lock(&kernel->lock);
	struct agent *old = TAKE_PTR(kernel->tools.agent);
	close_fd(kernel->tools.socket);
	kernel->tools.socket = ends[0];
	kernel->tools.port = ends[1];
	pthread_mutex_unlock(&kernel->lock);
	if (old)
		agent_close(old);
	agent_unref(old);
	return 0;
}

static int make_root(viso_guest *guest)
{
	struct kernel_guest *kernel = guest->kernel;
	const char *line = kernel->command_line ? kernel->command_line : default_line;
	/* The kernel hands to its init what stands behind "--". */
	const char *behind = strstr(line, " -- ");
	int length = behind ? (int)(behind - line) : (int)strlen(line);
	if (asprintf(&kernel->tools.command_line, "%.*s rdinit=" INITRAMFS_INIT "%s", length, line, line + length) <
	    0) {
		kernel->tools.command_line = NULL;
		return error_memory();
	}
	kernel->tools.initramfs = initramfs_make(guest->sandbox.root, kernel->image);
	return kernel->tools.initramfs < 0 ? kernel->tools.initramfs : 0;
}

int tools_open(viso_guest *guest)
{
	struct kernel_guest *kernel = guest->kernel;
	int r = 0;
	if (can_have_agent(kernel))
		r = open_port(kernel);
	bool has_root = guest->sandbox.root && kernel->image && !kernel->is_flat && !kernel->origin;
	if (r == 0 && has_root && kernel->initramfs)
		return error_fail(
			VISO_STAGE_GUEST, EINVAL, kernel->initramfs,
			"the guest has a root and an initramfs, of which the kernel takes one; leave one out");
	return r == 0 && has_root ? make_root(guest) : r;
}

void tools_built(struct kernel_guest *kernel, bool has_failed)
{
	struct tools *tools = &kernel->tools;
	tools->port = close_fd(tools->port);
	tools->initramfs = close_fd(tools->initramfs);
	free(TAKE_PTR(tools->command_line));
	if (!has_failed)
		return;
	pthread_mutex_lock(&kernel->lock);
	tools->socket = close_fd(tools->socket);
	pthread_mutex_unlock(&kernel->lock);
}

void tools_close(struct kernel_guest *kernel, bool is_forked)
{
	struct tools *tools = &kernel->tools;
	if (!is_forked)
		pthread_mutex_lock(&kernel->lock);
	struct agent *agent = TAKE_PTR(tools->agent);
	tools->socket = close_fd(tools->socket);
	if (!is_forked)
		pthread_mutex_unlock(&kernel->lock);
	if (agent && !is_forked)
		agent_close(agent);
	agent_unref(agent);
	tools->computer = viso_process_unref(tools->computer);
}

void tools_release(struct kernel_guest *kernel, bool is_forked)
{
	tools_close(kernel, is_forked);
	pthread_mutex_destroy(&kernel->tools.start);
}

bool tools_computer_runs(struct kernel_guest *kernel)
{
	pthread_mutex_lock(&kernel->lock);
	bool runs = kernel_computer_runs(kernel);
	pthread_mutex_unlock(&kernel->lock);
	return runs;
}

/* A reference; NULL where there is none and none can be made, with the error set. */
static struct agent *find_agent(struct kernel_guest *kernel)
{
	struct tools *tools = &kernel->tools;
	pthread_mutex_lock(&kernel->lock);
	int r = 0;
	bool is_new = !tools->agent && tools->socket >= 0;
	if (is_new)
		r = agent_new(TAKE_FD(tools->socket), 0, &tools->agent);
	else if (!tools->agent)
		r = fail_without_port();
	if (r == 0 && is_new && kernel->origin)
		agent_refresh(tools->agent);
	struct agent *agent = r == 0 ? agent_ref(tools->agent) : NULL;
	pthread_mutex_unlock(&kernel->lock);
	return agent;
}

/* Its clock and its random numbers are not to wait for the first command. That there is no memory for a thread is no
 * reason for the clone to end: then they do. */
void tools_greet_clone(struct kernel_guest *kernel)
{
	if (computer_of(kernel->origin)->shape.has_agent)
		agent_unref(find_agent(kernel));
}

/* With `start` held. A computer that was switched off is switched on again. */
static int boot(viso_guest *guest)
{
	struct tools *tools = &guest->kernel->tools;
	if (tools_computer_runs(guest->kernel))
		return 0;
	tools->computer = viso_process_unref(tools->computer);
	return kernel_boot(guest, "viso_sandbox_start", &tools->computer);
}

static int begin(viso_guest *guest, struct agent **out_agent)
{
	struct tools *tools = &guest->kernel->tools;
	if (!can_have_agent(guest->kernel))
		return fail_without_port();
	pthread_mutex_lock(&tools->start);
	int r = boot(guest);
	pthread_mutex_unlock(&tools->start);
	if (r < 0)
		return r;
	struct agent *agent = find_agent(guest->kernel);
	if (!agent)
		return -viso_error_number();
	r = agent_await(agent, BOOT_MS);
	if (r < 0)
		agent_unref(agent);
	else
		*out_agent = agent;
	return r;
}

int tools_start(viso_guest *guest)
{
	struct agent *agent = NULL;
	int r = begin(guest, &agent);
	agent_unref(agent);
	return r;
}

int tools_spawn(viso_guest *guest, const viso_command *command, bool to_end, viso_process *process)
{
	struct agent *agent = NULL;
	int r = begin(guest, &agent);
	if (r == 0)
		r = agent_spawn(agent, command, process);
	agent_unref(agent);
	return r;
}

int tools_agent(viso_guest *guest, const char *function, struct agent **out_agent)
{
	struct kernel_guest *kernel = guest->kernel;
	bool runs = kernel && tools_computer_runs(kernel);
	if (!runs)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, function,
				  "%s: no computer runs; call viso_sandbox_start() first", function);
	*out_agent = find_agent(kernel);
	return *out_agent ? 0 : -viso_error_number();
}

int tools_copy_in(viso_guest *guest, const char *source, const char *path)
{
	struct agent *agent;
	int r = tools_agent(guest, "viso_sandbox_copy_in", &agent);
	if (r < 0)
		return r;
	agent_unref(agent);
	return copy_in(&guest->sandbox, source, path);
}

int tools_copy_out(viso_guest *guest, const char *path, const char *destination)
{
	struct agent *agent;
	int r = tools_agent(guest, "viso_sandbox_copy_out", &agent);
	if (r < 0)
		return r;
	r = agent_copy_out(agent, path, destination);
	agent_unref(agent);
	return r;
}
