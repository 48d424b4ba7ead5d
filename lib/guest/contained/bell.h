/* SPDX-License-Identifier: MIT */
/*
 * The host's side of the doorbell of a contained computer: pages that it shares with the guest itself, and threads that
 * hear it ring and run handlers. The process that runs the computer only brings memory of the guest, when it is asked.
 */
#ifndef GUEST_CONTAINED_BELL_H
#define GUEST_CONTAINED_BELL_H

#include <virtiso/command.h>
#include <virtiso/guest.h>

struct bell;
struct doorbell;

/*
 * For a computer of this guest that is to be started by `server`, which gets its fds. A reference in `*out_bell`, or a
 * negative errno with the error set.
 */
int bell_new(viso_guest *guest, viso_command *server, struct bell **out_bell);

/*
 * The process runs; `end` becomes readable when it has ended, and is not kept. 0 or a negative errno with the error
 * set.
 */
int bell_start(struct bell *bell, int end);

/* That of a clone, once its computer runs: what the guest waits for is begun anew. */
void bell_go_on(struct bell *bell);

/* Borrowed. */
struct doorbell *bell_doorbell(const struct bell *bell);

/*
 * The process has ended, or is about to. Neither guest nor memory are touched any more, and no thread of it is left but
 * those that are in a handler. A second call does nothing.
 */
void bell_end(struct bell *bell);

/* After bell_end(). NULL does nothing. In a forked child, in place of both: memory and fds only. */
void bell_unref(struct bell *bell);
void bell_forget(struct bell *bell);

#endif
