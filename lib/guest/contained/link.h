/* SPDX-License-Identifier: MIT */
/*
 * What the host program asks of the process that serves a guest, from any thread: requests about hypercalls, which
 * handles may outlive the process and the guest; and about the memory of a computer.
 */
#ifndef GUEST_CONTAINED_LINK_H
#define GUEST_CONTAINED_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <virtiso/guest_hypercalls.h>

struct contained_event;
struct contained_link;
struct viso_guest;

/* Takes its end of the socket over; NULL, with the error set, without memory. */
struct contained_link *link_new(int socket);

/* `end` becomes readable when the process ends, and is borrowed until link_close(). */
void link_start(struct contained_link *link, int end);

/* 0 or a negative errno with the error set. */
int link_signal(struct contained_link *link, int signal);

/* How many it was sent. */
uint64_t link_signals(struct contained_link *link);

struct contained_link *link_ref(struct contained_link *link);
void link_unref(struct contained_link *link);

/* A computer is to see its doorbell's interrupt. Never waits: one that is on its way is as good. */
void link_interrupt(struct contained_link *link);

/* Memory of a computer. 0, -EFAULT, or -ESRCH where the process does not answer, now or ever. */
int link_access(struct contained_link *link, uint64_t address, void *buffer, size_t size, bool writes);

/*
 * A handle of a hypercall that the process tells of, with one reference. NULL where there cannot be another one:
 * without memory, or since there are too many.
 */
viso_hypercall *link_add(struct contained_link *link, struct viso_guest *guest, const struct contained_event *event);

/* A handler has the hypercall: it can be deferred; or no longer: then whether it was. */
void link_enter(viso_hypercall *hypercall);
bool link_leave(viso_hypercall *hypercall);

/* Nobody waits for the hypercall `id` any more, or with `all` for any: they leave the queue of the guest. */
void link_drop(struct contained_link *link, struct viso_guest *guest, uint64_t id, bool all);

/* The process has ended. Gives the reference of the process back. */
void link_close(struct contained_link *link);

/* The same in a forked child, where another thread may have had the lock. */
void link_forget(struct contained_link *link);

#endif
