/* SPDX-License-Identifier: MIT */
/* In the program that serves a guest: what it leaves to the host program, and what that asks of it. */
#ifndef GUEST_CONTAINED_FORWARD_H
#define GUEST_CONTAINED_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "guest/contained/message.h"

struct instance;
struct viso_guest;

/* Gives the guest handlers and the like that ask the host for what these settings say. 0 or -ENOMEM. */
int forward_set(struct viso_guest *guest, const struct contained_settings *settings);

/* The guest runs from now on: its instance, or the one that stays and may change, is stopped where the host is gone. */
void forward_start(struct viso_guest *guest, struct instance *instance);

/* Until so many signals of the host's have come. */
void forward_await_signals(uint64_t count);

/* The same for the handlers alone, in the place of those that it has. */
int forward_set_anew(struct viso_guest *guest, const struct contained_settings *settings);

/* An event with data, as many times as its pieces take; args[0] is where a piece lies. */
void forward_tell_pieces(struct contained_event event, const void *data, size_t size, uint64_t offset);

/* Hypercalls that the host has, and nobody waits for any more: it is told so. */
void forward_drop_gone(void);

/* One message to the host. */
void forward_say(const void *message, size_t size);

/* The guest's system calls since this was called before. */
void forward_take_counts(struct viso_guest *guest, uint64_t out_counts[2][COUNTED_CALLS]);

/* How the start went: 0, or a negative errno with the error set. */
void forward_report(int r);
void forward_fill_report(int r, struct contained_report *out);

/* A thread: hears what the host sends, until it is gone. Then the guest is killed, and the launcher kills us as well.
 */
void *forward_listen(void *data);

#endif
