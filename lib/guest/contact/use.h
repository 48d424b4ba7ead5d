/* SPDX-License-Identifier: MIT */
/* Who uses the guest that stays: one thread at a time, without a lock, which would take as long as the rest of a
 * request. */
#ifndef GUEST_CONTACT_USE_H
#define GUEST_CONTACT_USE_H

#include <stdbool.h>

#include "guest/guest.h"

/*
 * False where another one uses it. Whoever closes the guest says so and then looks whether it is in use, and whoever
 * uses it looks afterwards whether it is closed: at least one of the two sees what the other did.
 */
bool use_begin(struct viso_guest *guest, enum guest_use use);

/* Wakes who waits for that. The caller has a reference. */
void use_end(struct viso_guest *guest);

/* Whether what uses it is cancelled; it does not end before the guest's lock is given up, which the caller holds. */
bool use_cancel(struct viso_guest *guest);

#endif
