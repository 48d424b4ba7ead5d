/* SPDX-License-Identifier: MIT */
/* The inside of a viso_guest: a sandbox, and the settings by subject. */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include <virtiso/guest.h>

#include "guest/sockets.h"
#include "sandbox/sandbox.h"

struct viso_guest {
	viso_sandbox sandbox; /* first, so that the one is the other */
	struct guest_sockets sockets;
};

/* As sandbox_check_setter(). */
int guest_check_setter(viso_guest *guest, const char *function);

#endif
