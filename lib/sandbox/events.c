/* SPDX-License-Identifier: MIT */
#include "sandbox/events.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "launch/plan/cgroups.h"
#include "sandbox/process.h"
#include "sandbox/process_list.h"

enum { ROOM = 4 << 20 };

void events_prepare(viso_sandbox *sandbox, viso_process *process)
{
	pthread_mutex_lock(&sandbox->lock);
	process->serial = ++sandbox->last_serial;
	process->events = sandbox->events[1];
	pthread_mutex_unlock(&sandbox->lock);
}

void events_release(viso_sandbox *sandbox)
{
	for (int i = 0; i < 2; i++)
		sandbox->events[i] = close_fd(sandbox->events[i]);
}

/* With the lock held. Nobody but us reads there, so a writer finds room as long as the host keeps up. */
static int make_socket(viso_sandbox *sandbox)
{
	int ends[2], room = ROOM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return error_fail(VISO_STAGE_LAUNCHER, errno, "socketpair", NULL);
	for (int i = 0; i < 2; i++)
		ends[i] = fd_above_streams(ends[i]);
	if (ends[0] < 0 || ends[1] < 0) {
		int r = error_fail(VISO_STAGE_LAUNCHER, errno, "socketpair", NULL);
		close_fd(ends[0]);
		close_fd(ends[1]);
		return r;
	}
	if (setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	sandbox->events[0] = ends[0];
	sandbox->events[1] = ends[1];
	return ends[0];
}

int viso_sandbox_fd(viso_sandbox *sandbox)
{
	int r = sandbox_check_use(sandbox, __func__);
	if (r < 0)
		return r;
	if (sandbox->backend->isolation == VISO_ISOLATION_GUEST)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__,
				  "%s: a guest tells no events; poll viso_process_fd()", __func__);
	pthread_mutex_lock(&sandbox->lock);
	r = sandbox->events[0] >= 0 ? sandbox->events[0] : make_socket(sandbox);
	pthread_mutex_unlock(&sandbox->lock);
	return r;
}

int viso_sandbox_next_event(viso_sandbox *sandbox, viso_process **out_process)
{
	struct event_message message;
	int r = sandbox_check_use(sandbox, __func__);
	if (r < 0)
		return r;
	pthread_mutex_lock(&sandbox->lock);
	int fd = sandbox->events[0];
	pthread_mutex_unlock(&sandbox->lock);
	ssize_t n = fd < 0 ? -1 : recv(fd, &message, sizeof(message), MSG_DONTWAIT);
	bool told = n == sizeof(message);
	if (out_process)
		*out_process = told ? process_list_find(sandbox->processes, message.serial) : NULL;
	return told ? (int)message.event : VISO_EVENT_NONE;
}
