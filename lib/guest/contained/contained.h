/* SPDX-License-Identifier: MIT */
/*
 * A guest that is served in a process of its own (VISO_PLACEMENT_CONTAINED): a small program of ours, carried by the
 * library, that runs in a container through the public API. Of the host it sees the guest's root, read-only, and what
 * was bound into the guest, and nothing else.
 */
#ifndef GUEST_CONTAINED_CONTAINED_H
#define GUEST_CONTAINED_CONTAINED_H

#include <virtiso/container.h>
#include <virtiso/guest.h>

#include "sandbox/process.h"

/* As backend.spawn(). */
int contained_spawn(viso_guest *guest, const viso_command *command, int root_fd, bool to_end, viso_process *process);

/*
 * Its system calls: those that serving takes, with `writes` also of a guest that changes files of the host. 0 or a
 * negative errno with the error set.
 */
int contained_set_policy(viso_container *container, bool writes);

/* The same for a computer, which has disks, and with `has_networks` steers tap devices that it was handed in. */
int contained_set_computer_policy(viso_container *container, bool has_networks);

/* Gives the command of the process a stream of the guest's command. 0 or a negative errno with the error set. */
int contained_copy_stdio(const viso_command *command, viso_command *server, int stream);

/* 0; -EOPNOTSUPP, in the name of `setting`, where the guest is contained and the setting needs the host program. */
int contained_check_setting(const viso_guest *guest, const char *setting);

#endif
