/* SPDX-License-Identifier: MIT */
/* The inside of a viso_guest: a sandbox, and the settings by subject. */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include <virtiso/guest.h>

#include "guest/contact/hypercalls.h"
#include "guest/counts.h"
#include "guest/files/settings.h"
#include "guest/limits.h"
#include "guest/sockets.h"
#include "sandbox/sandbox.h"

struct instance;
struct kernel_guest;
struct resident;

/* What becomes of a call is decided once, by who comes first. */
enum guest_use {
	GUEST_IDLE,
	GUEST_TAKEN,     /* something short */
	GUEST_CALLED,    /* a call, a request or the initialisation: can be cancelled */
	GUEST_CANCELLED, /* it has been */
	GUEST_DONE,      /* its end is certain: too late to cancel it */
};

struct viso_guest {
	viso_sandbox sandbox; /* first, so that the one is the other */
	struct guest_files files;
	struct guest_sockets sockets;
	struct guest_counts counts;
	char *core_path;                   /* absolute; NULL for none */
	const struct core_sink *core_sink; /* that takes core files instead; NULL for none */
	struct guest_limits limits;
	viso_placement placement;
	viso_root *program_root; /* of what serves it, contained; NULL before the first start; guarded by `lock` */
	struct guest_hypercalls hypercalls;
	unsigned ring_poll_us;       /* 0 for no ring */
	struct kernel_guest *kernel; /* NULL where it is a program guest */
	bool is_new_clone;           /* handlers may be set, until its first call */

	/* The guest that stays (stay.c). */
	atomic_int use;       /* enum guest_use; by whoever takes the guest, and by its canceller with the lock held */
	pthread_mutex_t lock; /* guards what follows; who has taken the guest may look at it */
	pthread_cond_t idle;  /* `use` is GUEST_IDLE again */
	atomic_bool is_awaited; /* somebody waits for `idle`; set with the lock held, as is_closed */
	atomic_bool is_closed;
	struct instance *initialised; /* owned; NULL for none */
	struct resident *resident;    /* the same, in a process of its own; owned */
	viso_result *last_result;     /* of its program, which has ended */
};

/* As sandbox_check_setter(). */
int guest_check_setter(viso_guest *guest, const char *function);
/* The same for what needs the host program, and cannot be in a contained guest; and for handlers, which a clone may be
 * given before its first call. */
int guest_check_host_setter(viso_guest *guest, const char *function);
int guest_check_handler_setter(viso_guest *guest, const char *function);

/* For what only programs without an operating system can do: -EOPNOTSUPP, with the error set, where the guest boots
 * one. */
int guest_check_program(const viso_guest *guest, const char *function);

/* Whether a guest can run such a command: 0 or -EOPNOTSUPP with the error set. */
int guest_check_command(const viso_command *command);

/* A guest with the same settings, which cannot be changed any more. NULL with the error set. */
viso_guest *guest_new_like(viso_guest *guest);

/* Puts an instance into a guest that is taken, or that nobody else has yet, in the place of what was there. */
void guest_replace(viso_guest *guest, struct instance *instance);

/* Of a guest that is taken: how its program has ended does not count any more. */
void guest_forget_result(viso_guest *guest);

/* The memory limit, or its default. */
uint64_t guest_memory_max(const viso_guest *guest);

/* How the program of an instance has ended. 0, or -ENOMEM with the error set. */
int guest_make_result(struct instance *instance, viso_result **out_result);

#endif
