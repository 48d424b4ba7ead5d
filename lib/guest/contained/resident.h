/* SPDX-License-Identifier: MIT */
/*
 * A contained guest that stays (contact/stay.h): the process that serves it keeps it, and is called by messages.
 * Whoever has taken the guest speaks to it; others may kill it and send signals meanwhile, as long as it has not ended.
 */
#ifndef GUEST_CONTAINED_RESIDENT_H
#define GUEST_CONTAINED_RESIDENT_H

#include <stdbool.h>
#include <stdint.h>
#include <virtiso/command.h>
#include <virtiso/result.h>

struct doorbell_request;
struct resident;
struct viso_guest;

/* As viso_guest_initialise() of a guest that is taken. */
int resident_initialise(struct viso_guest *guest, const viso_command *command, const char *function,
			viso_result **out_result);

/*
 * A public call of a kind of VISO_REQUEST_, whose arguments were checked: bytes put to `out`, or a negative errno with
 * the error set.
 */
int64_t resident_call(struct viso_guest *guest, const struct doorbell_request *request, const char *function);

/* Whether its program, or the process, has ended, as far as was noticed. Any thread, with the guest's lock held. */
bool resident_has_ended(const struct resident *resident);

/* Both for any thread while it has not ended, with the guest's lock held, or by who has taken the guest. */
void resident_kill(struct resident *resident);
void resident_signal(struct resident *resident, int signal);

/* Of a guest that is taken: it is killed between two calls. */
void resident_end(struct resident *resident);

/* How it has ended, borrowed; NULL with the error set. By who has taken the guest. */
viso_result *resident_result(struct viso_guest *guest, struct resident *resident);

/* Kills it where it runs, and frees it. Takes NULL. */
void resident_free(struct resident *resident);

/* In a forked child: memory and fds only. */
void resident_forget(struct resident *resident);

#endif
