/* SPDX-License-Identifier: MIT */
/* What the process of a contained guest that stays was started with: its clones are, too. */
#ifndef GUEST_CONTAINED_ORIGIN_H
#define GUEST_CONTAINED_ORIGIN_H

#include <pthread.h>
#include <stdatomic.h>
#include <virtiso/command.h>
#include <virtiso/guest.h>

struct contained_origin {
	atomic_uint references;
	viso_command *streams; /* but for the streams it is nobody's */
	int settings_fd;       /* sealed */
	int root_fd;
	viso_guest *owner; /* has the settings and the files, and runs nothing; NULL before there is a snapshot */
};

/* A reference, or a negative errno with the error set. */
int origin_new(const viso_guest *guest, const viso_command *command, int root_fd, struct contained_origin **out_origin);

/* The guest has it alone, and is to be cloned. 0 or a negative errno with the error set. */
int origin_make_owner(struct contained_origin *origin, viso_guest *guest);

struct contained_origin *origin_ref(struct contained_origin *origin);
/* Takes NULL; NULL. */
struct contained_origin *origin_unref(struct contained_origin *origin);

#endif
