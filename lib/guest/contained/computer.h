/* SPDX-License-Identifier: MIT */
/* A computer in a container (VISO_PLACEMENT_CONTAINED), as the host program has it. */
#ifndef GUEST_CONTAINED_COMPUTER_H
#define GUEST_CONTAINED_COMPUTER_H

#include <stdbool.h>
#include <stdint.h>
#include <virtiso/guest.h>

#include "guest/contained/computer_message.h"
#include "sandbox/process.h"

struct contained_computer;
struct doorbell;

/* 0; -EOPNOTSUPP in the name of a setting that a contained computer cannot have. */
int contained_check_computer(const viso_guest *guest);

/*
 * Switches it on, between tools_open() and tools_built(); `streams` may be NULL. 0 and a reference, or a negative errno
 * with the error set.
 */
int contained_boot(viso_guest *guest, const viso_command *streams, viso_process *process,
		   struct contained_computer **out_computer);

struct contained_computer *contained_computer_ref(struct contained_computer *computer);
/* The last one takes it away, with what still runs. NULL does nothing. */
void contained_computer_unref(struct contained_computer *computer);

/* Its process ends now, if it has not before, and nothing of it reaches the guest any more. NULL does nothing. */
void contained_computer_close(struct contained_computer *computer);

/* The host's side of it, borrowed. */
struct doorbell *contained_computer_doorbell(const struct contained_computer *computer);

/* NULL does not. */
bool contained_computer_runs(const struct contained_computer *computer);

/* Readable when it has ended; borrowed. */
int contained_computer_end(const struct contained_computer *computer);

/*
 * A question the answer to which goes to a fd that the process gets. 0 also where it has ended, which the reader of the
 * other end sees; -EAGAIN, with the error set, where it hears nothing.
 */
int contained_ask_on(struct contained_computer *computer, enum computer_call call, int fd);

/*
 * Any thread. The value; or a negative errno with the error set, as the call has it, and -EAGAIN where nothing is
 * answered for ten seconds.
 */
int64_t contained_ask(struct contained_computer *computer, const char *function, enum computer_call call,
		      const uint64_t args[3]);

#endif
