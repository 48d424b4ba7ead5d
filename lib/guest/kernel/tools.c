/* SPDX-License-Identifier: MIT */
#include "guest/kernel/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/log.h"
#include "guest/agent/agent_ops.h"
#include "guest/agent/initramfs.h"
#include "guest/agent/root_disk.h"
#include "guest/agent/root_medium.h"
#include "guest/guest.h"
#include "guest/kernel/boot.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/machine.h"
#include "guest/kernel/snapshot/computer.h"

/* BOOT_MS: until an operating system has its agent running; a kernel that is emulated takes half a minute. */
enum { BOOT_MS = 180000 };

/* A root whose files are more than this part of the memory does not go into it: it would be there twice for a while. */
enum { MEMORY_PART = 4 };

static const char default_line[] = "console=ttyS0 quiet panic=-1";

void tools_init(struct tools *tools)
{
	pthread_mutex_init(&tools->start, NULL);
	tools->ops = &viso_agent_ops;
	tools->port = tools->closed = tools->socket = tools->initramfs = tools->disk = -1;
}

int tools_copy_disk(struct tools *to, const struct tools *from)
{
	if (from->disk >= 0)
		to->disk = fcntl(from->disk, F_DUPFD_CLOEXEC, 3);
	return from->disk >= 0 && to->disk < 0 ? -ENOMEM : 0;
}

/* The caller may have given the port of that name away. */
static bool has_own_port(const struct kernel_guest *kernel)
{
	for (unsigned i = 0; i < kernel->devices.port_count; i++)
		if (!strcmp(kernel->devices.ports[i].name, kernel->tools.ops->port))
			return true;
	return false;
}

static bool can_have_agent(const struct kernel_guest *kernel)
{
	/* Without virtio there is a serial port, which is nothing for viso-agent, and has no name. */
	if (kernel->platform == VISO_PLATFORM_PC)
		return kernel->tools.ops != &viso_agent_ops;
	return !kernel->is_flat && !has_own_port(kernel);
}

static int fail_without_port(void)
{
	return error_fail(
		VISO_STAGE_GUEST, EOPNOTSUPP, "agent",
		"commands need an agent in the guest, and this computer has no port for one: a flat image never has, "
		"VISO_PLATFORM_PC only for VISO_AGENT_QEMU, and VISO_PLATFORM_MICROVM unless viso_guest_add_port() "
		"took the "
		"port's name; boot it by viso_guest_boot()");
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
	int closed = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	pthread_mutex_lock(&kernel->lock);
	void *old = TAKE_PTR(kernel->tools.agent);
	close_fd(kernel->tools.socket);
	kernel->tools.socket = ends[0];
	kernel->tools.port = ends[1];
	close_fd(kernel->tools.closed);
	/* Without one the guest's silence tells it, later. */
	kernel->tools.closed = closed;
	pthread_mutex_unlock(&kernel->lock);
	if (old)
		kernel->tools.ops->close(old);
	kernel->tools.ops->unref(old);
	return 0;
}

/* VISO_ROOT_MEDIUM_AUTO never. 0 or a negative errno with the error set. */
static int choose_medium(viso_guest *guest, viso_root_medium *out)
{
	uint64_t size;
	const struct kernel_guest *kernel = guest->kernel;
	*out = kernel->tools.medium;
	bool is_possible = kernel->platform == VISO_PLATFORM_MICROVM;
	if (!is_possible && (*out == VISO_ROOT_MEDIUM_DISK || *out == VISO_ROOT_MEDIUM_SHARE))
		return error_fail(
			VISO_STAGE_GUEST, EOPNOTSUPP, "root",
			"a root on a disk, or a shared one, needs virtio, which VISO_PLATFORM_PC does not have; "
			"take VISO_PLATFORM_MICROVM or VISO_ROOT_MEDIUM_MEMORY");
	if (*out != VISO_ROOT_MEDIUM_AUTO)
		return 0;
	*out = VISO_ROOT_MEDIUM_MEMORY;
	int r = is_possible && root_disk_is_possible(kernel->image) ? root_size(guest->sandbox.root, &size) : 1;
	if (r == 0 && size > guest_memory_max(guest) / MEMORY_PART) {
		log_info("guest: the root has %llu bytes, and becomes a disk", (unsigned long long)size);
		*out = VISO_ROOT_MEDIUM_DISK;
	}
	return r < 0 ? r : 0;
}

static int share_root(viso_guest *guest)
{
	int r = viso_root_build(guest->sandbox.root);
	guest->kernel->tools.share = r < 0 ? NULL : viso_root_path(guest->sandbox.root);
	return r;
}

static int make_medium(viso_guest *guest)
{
	struct tools *tools = &guest->kernel->tools;
	viso_root_medium medium;
	int r = choose_medium(guest, &medium);
	tools->disk = close_fd(tools->disk);
	if (r == 0 && medium == VISO_ROOT_MEDIUM_DISK)
		r = tools->disk = root_disk_make(guest->sandbox.root);
	if (r >= 0 && medium == VISO_ROOT_MEDIUM_SHARE)
		r = share_root(guest);
	if (r >= 0)
		r = tools->initramfs = initramfs_make(&(struct initramfs_setting){
			.root = guest->sandbox.root,
			.medium = medium,
			.kernel = guest->kernel->image,
			.stock_agent = tools->ops == &viso_agent_ops                 ? NULL
				       : guest->kernel->platform == VISO_PLATFORM_PC ? ROOT_STOCK_SERIAL
										     : ROOT_STOCK_VIRTIO,
		});
	return r < 0 ? r : 0;
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
	return make_medium(guest);
}

int tools_find_disk(viso_guest *guest)
{
	struct kernel_guest *kernel = guest->kernel;
	viso_root_medium medium = VISO_ROOT_MEDIUM_MEMORY;
	bool has_root = guest->sandbox.root && kernel->image && !kernel->is_flat;
	int r = has_root && kernel->tools.disk < 0 ? choose_medium(guest, &medium) : 0;
	if (r == 0 && medium == VISO_ROOT_MEDIUM_DISK)
		r = kernel->tools.disk = root_disk_make(guest->sandbox.root);
	return r < 0 ? r : 0;
}

int tools_open(viso_guest *guest)
{
	struct kernel_guest *kernel = guest->kernel;
	int r = 0;
	if (can_have_agent(kernel))
		r = open_port(kernel);
	bool has_root = guest->sandbox.root && kernel->image && !kernel->is_flat;
	if (r == 0 && has_root && kernel->initramfs && !kernel->origin)
		return error_fail(
			VISO_STAGE_GUEST, EINVAL, kernel->initramfs,
			"the guest has a root and an initramfs, of which the kernel takes one; leave one out");
	if (r == 0 && has_root && !kernel->origin)
		return make_root(guest);
	/* A clone goes on with a root that is shared; one on a disk it has from the guest of its snapshot. */
	bool shares = kernel->origin && guest->sandbox.root && kernel->tools.medium == VISO_ROOT_MEDIUM_SHARE;
	return r == 0 && shares ? share_root(guest) : r;
}

void tools_built(struct kernel_guest *kernel, bool has_failed)
{
	struct tools *tools = &kernel->tools;
	tools->port = close_fd(tools->port);
	tools->initramfs = close_fd(tools->initramfs);
	tools->share = NULL;
	free(TAKE_PTR(tools->command_line));
	if (!has_failed)
		return;
	pthread_mutex_lock(&kernel->lock);
	tools->socket = close_fd(tools->socket);
	tools->closed = close_fd(tools->closed);
	pthread_mutex_unlock(&kernel->lock);
}

void tools_close(struct kernel_guest *kernel, bool is_forked)
{
	struct tools *tools = &kernel->tools;
	if (!is_forked)
		pthread_mutex_lock(&kernel->lock);
	void *agent = TAKE_PTR(tools->agent);
	viso_process *computer = TAKE_PTR(tools->computer);
	tools->socket = close_fd(tools->socket);
	tools->closed = close_fd(tools->closed);
	if (!is_forked)
		pthread_mutex_unlock(&kernel->lock);
	if (agent && !is_forked)
		tools->ops->close(agent);
	tools->ops->unref(agent);
	viso_process_unref(computer);
}

void tools_release(struct kernel_guest *kernel, bool is_forked)
{
	tools_close(kernel, is_forked);
	close_fd(is_forked ? -1 : kernel->tools.disk);
	pthread_mutex_destroy(&kernel->tools.start);
}

bool tools_computer_runs(struct kernel_guest *kernel)
{
	pthread_mutex_lock(&kernel->lock);
	bool runs = kernel_computer_runs(kernel);
	pthread_mutex_unlock(&kernel->lock);
	return runs;
}

/* For the agent, which has a lock of its own then. */
static bool stands_still(void *data)
{
	struct kernel_guest *kernel = data;
	pthread_mutex_lock(&kernel->lock);
	bool is_paused = !kernel->machine || machine_is_paused(kernel->machine);
	pthread_mutex_unlock(&kernel->lock);
	return is_paused;
}

/* With the lock held. */
static int open_agent(struct kernel_guest *kernel)
{
	struct tools *tools = &kernel->tools;
	const struct agent_watch watch = {
		.closed_fd = TAKE_FD(tools->closed), .stands_still = stands_still, .data = kernel};
	return tools->ops->open(TAKE_FD(tools->socket), &watch, &tools->agent);
}

/* A reference; NULL where there is none and none can be made, with the error set. */
static void *find_agent(struct kernel_guest *kernel)
{
	struct tools *tools = &kernel->tools;
	pthread_mutex_lock(&kernel->lock);
	int r = 0;
	bool is_new = !tools->agent && tools->socket >= 0;
	if (is_new)
		r = open_agent(kernel);
	else if (!tools->agent)
		r = fail_without_port();
	if (r == 0 && is_new && kernel->origin && tools->ops->refresh)
		tools->ops->refresh(tools->agent);
	void *agent = r == 0 ? tools->ops->ref(tools->agent) : NULL;
	pthread_mutex_unlock(&kernel->lock);
	return agent;
}

/* Its clock and its random numbers are not to wait for the first command. That there is no memory for a thread is no
 * reason for the clone to end: then they do. */
void tools_greet_clone(struct kernel_guest *kernel)
{
	if (computer_of(kernel->origin)->shape.has_agent)
		kernel->tools.ops->unref(find_agent(kernel));
}

/* The one that was there. Somebody may close the sandbox at any time. */
static viso_process *exchange_computer(struct kernel_guest *kernel, viso_process *computer)
{
	pthread_mutex_lock(&kernel->lock);
	viso_process *old = kernel->tools.computer;
	kernel->tools.computer = computer;
	pthread_mutex_unlock(&kernel->lock);
	return old;
}

/* With `start` held. A computer that was switched off is switched on again. */
static int boot(viso_guest *guest)
{
	viso_process *computer = NULL;
	if (tools_computer_runs(guest->kernel))
		return 0;
	viso_process_unref(exchange_computer(guest->kernel, NULL));
	int r = kernel_boot(guest, "viso_sandbox_start", &computer);
	if (r == 0)
		viso_process_unref(exchange_computer(guest->kernel, computer));
	return r;
}

static int begin(viso_guest *guest, void **out_agent)
{
	struct tools *tools = &guest->kernel->tools;
	if (!can_have_agent(guest->kernel))
		return fail_without_port();
	pthread_mutex_lock(&tools->start);
	int r = boot(guest);
	pthread_mutex_unlock(&tools->start);
	if (r < 0)
		return r;
	void *agent = find_agent(guest->kernel);
	if (!agent)
		return -viso_error_number();
	r = tools->ops->await(agent, BOOT_MS);
	if (r < 0)
		tools->ops->unref(agent);
	else
		*out_agent = agent;
	return r;
}

int tools_start(viso_guest *guest)
{
	void *agent = NULL;
	int r = begin(guest, &agent);
	guest->kernel->tools.ops->unref(agent);
	return r;
}

int tools_spawn(viso_guest *guest, const viso_command *command, bool to_end, viso_process *process)
{
	const struct agent_ops *agents = guest->kernel->tools.ops;
	void *agent = NULL;
	int r = begin(guest, &agent);
	if (r == 0)
		r = agents->spawn(agent, command, process);
	agents->unref(agent);
	return r;
}

int tools_agent(viso_guest *guest, const char *function, void **out_agent)
{
	struct kernel_guest *kernel = guest->kernel;
	bool runs = kernel && tools_computer_runs(kernel);
	if (!runs)
		return error_fail(VISO_STAGE_GUEST, ESRCH, function,
				  "%s: no computer runs; call viso_sandbox_start() first", function);
	*out_agent = find_agent(kernel);
	return *out_agent ? 0 : -viso_error_number();
}

/* For copies it is an instance like others, and where there is none that is a mistake of the caller's. */
static int find_instance(viso_guest *guest, const char *function, void **out_agent)
{
	int r = tools_agent(guest, function, out_agent);
	return r == -ESRCH ? error_argument(function, "there is no instance; call viso_sandbox_start() first") : r;
}

int tools_copy_in(viso_guest *guest, const char *source, const char *path)
{
	void *agent;
	int r = find_instance(guest, "viso_sandbox_copy_in", &agent);
	if (r < 0)
		return r;
	r = guest->kernel->tools.ops->copy_in(agent, &guest->sandbox, source, path);
	guest->kernel->tools.ops->unref(agent);
	return r;
}

int tools_copy_out(viso_guest *guest, const char *path, const char *destination)
{
	void *agent;
	int r = find_instance(guest, "viso_sandbox_copy_out", &agent);
	if (r < 0)
		return r;
	r = guest->kernel->tools.ops->copy_out(agent, path, destination);
	guest->kernel->tools.ops->unref(agent);
	return r;
}
