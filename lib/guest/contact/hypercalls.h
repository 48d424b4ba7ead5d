/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls of the host program's own (guest_hypercalls.h): their handlers, those that wait for an answer, and what
 * other threads may do with them while the guest runs or after it has ended.
 */
#ifndef GUEST_CONTACT_HYPERCALLS_H
#define GUEST_CONTACT_HYPERCALLS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <virtiso/guest_hypercalls.h>

struct instance;
struct program;

/* Shared by the clones of a guest. */
struct hypercall_handler;

/* What a viso_guest has. */
struct guest_hypercalls {
	struct hypercall_handler **handlers; /* by number; NULL before there is one */
	pthread_mutex_t lock;                /* guards the queue */
	viso_hypercall *first;               /* that waits to be taken */
	viso_hypercall *last;
	int fd; /* readable while there is one; -1 where nothing is to be queued */
};

void hypercalls_init(struct guest_hypercalls *hypercalls);
void hypercalls_release(struct guest_hypercalls *hypercalls, bool is_mine);

/* Gives a clone the same handlers, and a queue of its own. 0 or a negative errno with the error set. */
int hypercalls_copy(struct guest_hypercalls *to, const struct guest_hypercalls *from);

/* Gives a number a handler without data; NULL for the queue. 0 or -ENOMEM with the error set. */
int hypercalls_set(struct guest_hypercalls *hypercalls, unsigned number, viso_hypercall_fn function);

/*
 * What hypercalls hold on to of an instance. Its lock is held by the thread that runs the guest while it serves it, but
 * not while the guest runs, waits, or a handler runs: other threads take it to look into the guest's memory.
 */
struct gate;

struct gate *gate_new(struct instance *instance);
/* Its tasks are going, as for a reset: none of them waits for a hypercall any more. */
void gate_abandon_all(struct gate *gate);
/* The guest's memory is going: whoever has a hypercall of it still gets -ESRCH. Takes NULL. */
void gate_close(struct gate *gate);
void gate_lock(struct gate *gate);
void gate_unlock(struct gate *gate);

/*
 * Around a handler of whatever kind, which may give the last reference of the guest back: that ends with its program
 * then. With the lock held, which is not meanwhile.
 */
void gate_leave_to_handler(struct instance *instance);
void gate_return_from_handler(struct instance *instance);
/* That reference is the instance's now, and the program ends. With the lock held. */
void gate_keep_guest(struct instance *instance);

/* Serves one. What the program gets; or what task_wait() returns, then it is made again. With the gate's lock held. */
int64_t hypercall_serve(struct program *program, uint64_t number, const uint64_t args[6]);

/* The program's thread waits for it no longer. With the gate's lock held. */
void hypercall_abandon(viso_hypercall *hypercall);

/* The handlers that run in a thread, the innermost first. */
struct serving {
	const struct viso_guest *guest;
	struct serving *outer;
};
void serving_begin(struct serving *serving, const struct viso_guest *guest);
void serving_end(const struct serving *serving);

/* Whether this thread runs a handler of the guest's: what would wait for that must be refused. */
bool hypercalls_are_served_here(const struct viso_guest *guest);

#endif
