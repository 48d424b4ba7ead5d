/* SPDX-License-Identifier: MIT */
#include "guest/contained/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contained/contained.h"
#include "guest/contained/start.h"
#include "guest/guest.h"

static int fill(struct contained_origin *origin, const viso_guest *guest, const viso_command *command, int root_fd)
{
	origin->streams = viso_command_new("clone");
	if (!origin->streams)
		return -viso_error_number();
	int r = 0;
	for (int stream = 0; stream < 3 && r == 0; stream++)
		r = contained_copy_stdio(command, origin->streams, stream);
	if (r < 0)
		return r;
	origin->root_fd = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
	if (origin->root_fd < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "dup", NULL);
	return contained_make_settings(guest, command, true, &origin->settings_fd);
}

int origin_new(const viso_guest *guest, const viso_command *command, int root_fd, struct contained_origin **out_origin)
{
	struct contained_origin *origin = calloc(1, sizeof(*origin));
	if (!origin)
		return error_memory();
	atomic_init(&origin->references, 1);
	origin->settings_fd = origin->root_fd = -1;
	int r = fill(origin, guest, command, root_fd);
	if (r < 0)
		origin_unref(origin);
	else
		*out_origin = origin;
	return r;
}

int origin_make_owner(struct contained_origin *origin, viso_guest *guest)
{
	if (origin->owner)
		return 0;
	viso_guest *owner = guest_new_like(guest);
	if (!owner)
		return -viso_error_number();
	int r = guest_files_copy_places(&owner->files, &guest->files);
	if (r < 0) {
		viso_guest_unref(owner);
		return r;
	}
	pthread_mutex_lock(&guest->lock);
	owner->program_root = viso_root_ref(guest->program_root);
	pthread_mutex_unlock(&guest->lock);
	origin->owner = owner;
	return 0;
}

struct contained_origin *origin_ref(struct contained_origin *origin)
{
	atomic_fetch_add(&origin->references, 1);
	return origin;
}

struct contained_origin *origin_unref(struct contained_origin *origin)
{
	if (!origin || atomic_fetch_sub(&origin->references, 1) != 1)
		return NULL;
	viso_command_unref(origin->streams);
	viso_guest_unref(origin->owner);
	close_fd(origin->settings_fd);
	close_fd(origin->root_fd);
	free(origin);
	return NULL;
}
