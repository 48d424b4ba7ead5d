/* SPDX-License-Identifier: MIT */
/* In the program that runs a contained computer: what the host's side of its doorbell needs. */
#ifndef GUEST_CONTAINED_BELL_PROGRAM_H
#define GUEST_CONTAINED_BELL_PROGRAM_H

#include <virtiso/guest.h>

/* Begins to listen, by a thread, for as long as the host is there. 0 or a negative errno with the error set. */
int bell_program_start(viso_guest *guest);

#endif
