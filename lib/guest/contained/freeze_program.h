/* SPDX-License-Identifier: MIT */
/* In the program that runs a contained computer: what it is goes to the host program. */
#ifndef GUEST_CONTAINED_FREEZE_PROGRAM_H
#define GUEST_CONTAINED_FREEZE_PROGRAM_H

struct machine;

/* All that COMPUTER_FREEZE has for an answer, by a stream socket, while the computer stands still. */
void freeze_program_send(struct machine *machine, int socket);

#endif
