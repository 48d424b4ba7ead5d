/* SPDX-License-Identifier: MIT */
#include "guest/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/guest.h"

static void give_back(struct connect_handler *handler, bool is_mine)
{
	if (!handler || atomic_fetch_sub(&handler->references, 1) != 1)
		return;
	if (handler->destroy && is_mine)
		handler->destroy(handler->userdata);
	free(handler);
}

void guest_sockets_copy(struct guest_sockets *clone, const struct guest_sockets *sockets)
{
	clone->handler = sockets->handler;
	if (clone->handler)
		atomic_fetch_add(&clone->handler->references, 1);
}

void guest_sockets_release(struct guest_sockets *sockets, bool is_mine)
{
	give_back(TAKE_PTR(sockets->handler), is_mine);
}

int viso_guest_set_connect_handler(viso_guest *guest, viso_connect_fn handler, void *userdata, viso_destroy_fn destroy)
{
	int r = guest_check_handler_setter(guest, __func__);
	if (r < 0)
		return r;
	struct connect_handler *new = NULL;
	if (handler) {
		new = malloc(sizeof(*new));
		if (!new)
			return error_memory();
		*new = (struct connect_handler){1, handler, userdata, destroy};
	}
	struct connect_handler *old = guest->sockets.handler;
	guest->sockets.handler = new;
	give_back(old, true);
	return 0;
}

/* What a handler's error becomes where the program, or we, would take it for something else. */
static int refusal(int error)
{
	switch (-error) {
	case EINTR:
	case ENOSYS:
	case EAGAIN:
	case EINPROGRESS:
	case EALREADY:
	case EISCONN:
		return -ECONNREFUSED;
	default:
		return error >= -4095 ? error : -ECONNREFUSED;
	}
}

int guest_sockets_connect(const struct viso_guest *guest, const char *address)
{
	const struct connect_handler *handler = guest->sockets.handler;
	struct serving serving;
	if (!handler)
		return -ECONNREFUSED;
	serving_begin(&serving, guest);
	int fd = handler->function(address, handler->userdata);
	serving_end(&serving);
	if (fd < 0)
		return refusal(fd);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -ECONNREFUSED;
	if (!S_ISSOCK(st.st_mode) || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		close_fd(fd);
		return -ECONNREFUSED;
	}
	return fd;
}
