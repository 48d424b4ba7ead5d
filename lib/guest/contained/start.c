/* SPDX-License-Identifier: MIT */
/* Starting the process that serves a guest, in its container. */
#include "guest/contained/start.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "core/memfd.h"
#include "guest/contained/contained.h"
#include "guest/contained/container.h"
#include "guest/contained/message.h"
#include "guest/guest.h"
#include "guest/vm/vm.h"
#include "launch/owns_ids.h"
#include "sandbox/host_program.h"

/* Of addresses, beside the memory: those of its threads. */
static const uint64_t addresses_beside = 512u << 20;

enum { NOBODY = 65534 };

/* An open file of the command's, by another reference. */
int contained_copy_stdio(const viso_command *command, viso_command *server, int stream)
{
	const struct stdio_setting *from = &command->stdio[stream];
	struct stdio_setting *to = &server->stdio[stream];
	close_fd(to->fd);
	*to = *from;
	to->fd = from->fd < 0 ? -1 : fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
	return from->fd >= 0 && to->fd < 0 ? error_fail(VISO_STAGE_STDIO, errno, "dup", NULL) : 0;
}

/* What stays outlives the times of its command. It has what was frozen, a copy of it while it is frozen, and its own.
 */
static int set_limits(const struct contained_plan *plan, viso_command *server)
{
	const viso_command *command = plan->command;
	uint64_t addresses = contained_add(contained_memory(plan->owner), addresses_beside);
	if (plan->stays)
		addresses = contained_add(addresses, 2 * guest_memory_max(plan->owner));
	int r = viso_command_set_rlimit(server, VISO_RLIMIT_ADDRESS_SPACE, addresses);
	if (r == 0 && command->timeout_ms && !plan->stays)
		r = viso_command_set_timeout_ms(server, contained_add(command->timeout_ms, CONTAINED_GRACE_MS));
	if (r == 0 && command->cpu_time_ms && !plan->stays)
		r = viso_command_set_cpu_time_ms(server, contained_add(command->cpu_time_ms, CONTAINED_GRACE_MS));
	return r;
}

int contained_make_settings(const viso_guest *guest, const viso_command *command, bool stays, int *out_fd)
{
	struct contained_settings settings = {
		.memory_max = guest_memory_max(guest),
		.limits = guest->limits,
		.stays = stays,
	};
	service_describe(guest, &settings);
	_cleanup_free_ void *data = NULL;
	size_t size;
	int r = contained_pack(&settings, &guest->files, command, &data, &size);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = memfd_with("viso-guest", 0, data, size);
	if (fd >= 0)
		r = memfd_seal(fd);
	if (fd < 0 || r < 0)
		return error_fail(VISO_STAGE_GUEST, fd < 0 ? -fd : -r, "memfd_create", NULL);
	*out_fd = TAKE_FD(fd);
	return 0;
}

/* A clone has the snapshot, and nothing that was added: with that nothing can be frozen. */
static int add_further_fds(const struct contained_plan *plan, viso_command *server)
{
	const viso_command *command = plan->command;
	if (plan->snapshot_fd >= 0) {
		int r = viso_command_add_fd(server, plan->snapshot_fd, CONTAINED_SNAPSHOT);
		return r == 0 ? viso_command_add_arg(server, CONTAINED_CLONE) : r;
	}
	int r = 0;
	for (size_t i = 0; i < command->added_count && r == 0; i++)
		r = viso_command_add_fd(server, command->added[i].fd, CONTAINED_ADDED + (int)i);
	return r;
}

static int add_fds(const struct contained_plan *plan, viso_command *server, const int sockets[2])
{
	_cleanup_close_ int kvm = vm_open_kvm();
	if (kvm < 0)
		return kvm;
	if (plan->command->added_count > CONTAINED_ADDED_MAX)
		return error_fail(VISO_STAGE_COMMAND, EMFILE, "viso_command_add_fd",
				  "a contained guest takes at most %d fds beside the command's streams",
				  CONTAINED_ADDED_MAX);
	int r = viso_command_add_fd(server, sockets[0], CONTAINED_SOCKET);
	if (r == 0)
		r = viso_command_add_fd(server, sockets[1], CONTAINED_CONTROL);
	if (r == 0)
		r = viso_command_add_fd(server, kvm, CONTAINED_KVM);
	if (r == 0)
		r = viso_command_add_fd(server, plan->settings_fd, CONTAINED_SETTINGS);
	return r == 0 ? add_further_fds(plan, server) : r;
}

/*
 * With root of the host, as nobody, who may read what everybody may: so it is for a guest in the host program
 * (spot_permission()). What the guest may reach with the rights of the host program's user takes the container's root,
 * as which that one is shown in it. For others it is the caller itself in any case.
 */
static int make_command(const struct contained_plan *plan, const int sockets[2], viso_command **out_server)
{
	_cleanup_(cleanup_host_command) viso_command *server = viso_command_new(CONTAINED_PROGRAM);
	if (!server)
		return -viso_error_number();
	const unsigned id = contained_is_owner(plan->owner) ? 0 : NOBODY;
	int r = owns_all_ids() ? viso_command_set_user(server, id, id) : 0;
	for (int stream = 0; stream < 3 && r == 0; stream++)
		r = contained_copy_stdio(plan->command, server, stream);
	if (r == 0)
		r = set_limits(plan, server);
	if (r == 0)
		r = add_fds(plan, server, sockets);
	if (r == 0)
		*out_server = TAKE_PTR(server);
	return r;
}

/* True where the start may succeed without what has failed. */
static bool lower(struct contained_wishes *wishes, int r)
{
	bool *failed = viso_error_stage() != VISO_STAGE_CGROUP ? &wishes->mapped
		       : wishes->counted                       ? &wishes->counted
							       : &wishes->limited;
	if ((r != -EOPNOTSUPP && r != -EPERM) || !*failed)
		return false;
	log_debug("a contained guest does without: %s", viso_error_message());
	*failed = false;
	return true;
}

static int start_server(struct service *service, const struct contained_plan *plan, const viso_command *server,
			viso_container **container)
{
	struct contained_wishes wishes = {
		.limited = true, .counted = true, .mapped = owns_all_ids(), .stays = plan->stays};
	int r;
	do {
		*container = viso_container_unref(*container);
		r = contained_make_container(plan->owner, plan->root_fd, wishes, container);
		if (r == 0)
			r = viso_sandbox_spawn(viso_container_sandbox(*container), server, &service->server);
	} while (r < 0 && lower(&wishes, r));
	return r;
}

/* The socket of what the process says and that of what the host does; the process's ends go to `out_theirs`. */
static int make_sockets(struct service *service, int out_theirs[2])
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "socketpair", NULL);
	service->socket = ends[0];
	out_theirs[0] = ends[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "socketpair", NULL);
	out_theirs[1] = ends[1];
	service->link = link_new(ends[0]);
	return service->link ? 0 : -ENOMEM;
}

int contained_start(struct service *service, const struct contained_plan *plan, viso_container **container)
{
	int theirs[2] = {-1, -1};
	_cleanup_(cleanup_host_command) viso_command *server = NULL;
	int r = make_sockets(service, theirs);
	if (r == 0)
		r = make_command(plan, theirs, &server);
	if (r == 0)
		r = start_server(service, plan, server, container);
	close_fd(theirs[0]);
	close_fd(theirs[1]);
	return r;
}
