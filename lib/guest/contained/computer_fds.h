/* SPDX-License-Identifier: MIT */
/* What the process of a contained computer is handed in. */
#ifndef GUEST_CONTAINED_COMPUTER_FDS_H
#define GUEST_CONTAINED_COMPUTER_FDS_H

#include <virtiso/command.h>
#include <virtiso/guest.h>

/*
 * Opens the files of the computer as its user, and adds them, KVM's device and the settings to the command: the process
 * opens nothing itself. `streams` may be NULL. 0 or a negative errno with the error set.
 */
int computer_fds_add(viso_guest *guest, const viso_command *streams, viso_command *server);

#endif
