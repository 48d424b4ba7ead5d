/* SPDX-License-Identifier: MIT */
/* Who connects the programs of a guest: viso_guest_set_connect_handler(). */
#ifndef GUEST_SOCKETS_H
#define GUEST_SOCKETS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <virtiso/guest_files.h>

/* A handler, and who has it: guests and their clones, in any thread. */
struct connect_handler {
	atomic_uint references;
	viso_connect_fn function;
	void *userdata;
	viso_destroy_fn destroy;
};

struct guest_sockets {
	struct connect_handler *handler; /* owned reference, or NULL */
};

/* For the settings of a clone. */
void guest_sockets_copy(struct guest_sockets *clone, const struct guest_sockets *sockets);

/* In a process that has not made them, `destroy` is not called. */
void guest_sockets_release(struct guest_sockets *sockets, bool is_mine);

/*
 * Asks the handler for a connection to `address`: a fd, close-on-exec, which is a socket, or a negative errno that is
 * for the program. -ECONNREFUSED without a handler. The caller holds a reference of the guest, and no lock.
 */
int guest_sockets_connect(const struct viso_guest *guest, const char *address);

#endif
