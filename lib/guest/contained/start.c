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

/* What stays outlives the times of its command. */
static int set_limits(const viso_guest *guest, const viso_command *command, bool stays, viso_command *server)
{
	int r = viso_command_set_rlimit(server, VISO_RLIMIT_ADDRESS_SPACE,
					contained_add(contained_memory(guest), addresses_beside));
	if (r == 0 && command->timeout_ms && !stays)
		r = viso_command_set_timeout_ms(server, contained_add(command->timeout_ms, CONTAINED_GRACE_MS));
	if (r == 0 && command->cpu_time_ms && !stays)
		r = viso_command_set_cpu_time_ms(server, contained_add(command->cpu_time_ms, CONTAINED_GRACE_MS));
	return r;
}

/* The settings, in a file that nobody can change. */
static int add_settings(const viso_guest *guest, const viso_command *command, bool stays, viso_command *server)
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
	return viso_command_add_fd(server, fd, CONTAINED_SETTINGS);
}

static int add_fds(const viso_guest *guest, const viso_command *command, bool stays, viso_command *server,
		   const int sockets[2])
{
	_cleanup_close_ int kvm = vm_open_kvm();
	if (kvm < 0)
		return kvm;
	if (command->added_count > CONTAINED_ADDED_MAX)
		return error_fail(VISO_STAGE_COMMAND, EMFILE, "viso_command_add_fd",
				  "a contained guest takes at most %d fds beside the command's streams",
				  CONTAINED_ADDED_MAX);
	int r = viso_command_add_fd(server, sockets[0], CONTAINED_SOCKET);
	if (r == 0)
		r = viso_command_add_fd(server, sockets[1], CONTAINED_CONTROL);
	if (r == 0)
		r = viso_command_add_fd(server, kvm, CONTAINED_KVM);
	if (r == 0)
		r = add_settings(guest, command, stays, server);
	for (size_t i = 0; i < command->added_count && r == 0; i++)
		r = viso_command_add_fd(server, command->added[i].fd, CONTAINED_ADDED + (int)i);
	return r;
}

/*
 * With root of the host, as nobody, who may read what everybody may: so it is for a guest in the host program
 * (spot_permission()). What the guest may reach with the rights of the host program's user takes the container's root,
 * as which that one is shown in it. For others it is the caller itself in any case.
 */
static int make_command(const viso_guest *guest, const viso_command *command, bool stays, const int sockets[2],
			viso_command **out_server)
{
	_cleanup_(cleanup_host_command) viso_command *server = viso_command_new(CONTAINED_PROGRAM);
	if (!server)
		return -viso_error_number();
	const unsigned id = contained_is_owner(guest) ? 0 : NOBODY;
	int r = owns_all_ids() ? viso_command_set_user(server, id, id) : 0;
	for (int stream = 0; stream < 3 && r == 0; stream++)
		r = contained_copy_stdio(command, server, stream);
	if (r == 0)
		r = set_limits(guest, command, stays, server);
	if (r == 0)
		r = add_fds(guest, command, stays, server, sockets);
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

static int start_server(struct service *service, const viso_command *server, int root_fd, bool stays,
			viso_container **container)
{
	struct contained_wishes wishes = {.limited = true, .counted = true, .mapped = owns_all_ids(), .stays = stays};
	int r;
	do {
		*container = viso_container_unref(*container);
		r = contained_make_container(service->guest, root_fd, wishes, container);
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

int contained_start(struct service *service, const viso_command *command, int root_fd, bool stays,
		    viso_container **container)
{
	int theirs[2] = {-1, -1};
	_cleanup_(cleanup_host_command) viso_command *server = NULL;
	int r = make_sockets(service, theirs);
	if (r == 0)
		r = make_command(service->guest, command, stays, theirs, &server);
	if (r == 0)
		r = start_server(service, server, root_fd, stays, container);
	close_fd(theirs[0]);
	close_fd(theirs[1]);
	return r;
}
