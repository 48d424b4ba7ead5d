/* SPDX-License-Identifier: MIT */
/**
 * @file virtiso.h
 * libvirtiso: one program, one root file system, three strengths of isolation.
 *
 * Include this header alone. It works in C17 and in C++11.
 *
 * Conventions that hold for every function:
 *  - A function that can fail returns 0 or a positive value on success and a negative errno on failure; a
 *    constructor returns NULL on failure. Then viso_error_message() of the same thread says why.
 *  - What is returned directly is borrowed from its handle; what comes through an `out_` parameter is the caller's.
 *  - Setters copy what they are given. A handle is frozen by its first use: later setters return -EBUSY.
 *  - `_ref` and `_unref` count references; `_unref` takes NULL and returns NULL.
 *  - Different handles may be used from different threads freely; one handle from one thread at a time. The
 *    exceptions (kill, signal, close and the pollable fds: any thread at any time) say so.
 *  - After fork() the child's calls on inherited handles return -ECHILD; releasing them frees memory only.
 *  - The calling process is left as it was: no signal handler, no change of umask, directory, limits or environment;
 *    nothing is printed; it is never ended. What it may notice: two to six sockets and a process tree named viso-launcher,
 *    which starts and ends jails and containers for it. That is made on first use and ends with the process; it is a child
 *    of init, or of the calling process where that is itself an init or a subreaper (PR_SET_CHILD_SUBREAPER), and then
 *    waiting for any child finds it. Programs start with the rlimits, affinity and control group that the process had on first use.
 */
#ifndef VIRTISO_H
#define VIRTISO_H

#include <virtiso/attributes.h>
#include <virtiso/command.h>
#include <virtiso/container.h>
#include <virtiso/container_filesystem.h>
#include <virtiso/container_limits.h>
#include <virtiso/container_namespaces.h>
#include <virtiso/container_network.h>
#include <virtiso/container_security.h>
#include <virtiso/error.h>
#include <virtiso/guest.h>
#include <virtiso/guest_calls.h>
#include <virtiso/guest_agent.h>
#include <virtiso/guest_devices.h>
#include <virtiso/guest_files.h>
#include <virtiso/guest_hypercalls.h>
#include <virtiso/guest_kernel.h>
#include <virtiso/guest_pc.h>
#include <virtiso/guest_limits.h>
#include <virtiso/image.h>
#include <virtiso/jail.h>
#include <virtiso/log.h>
#include <virtiso/machine.h>
#include <virtiso/machine_drivers.h>
#include <virtiso/machine_layers.h>
#include <virtiso/manifest.h>
#include <virtiso/notification.h>
#include <virtiso/process.h>
#include <virtiso/result.h>
#include <virtiso/root.h>
#include <virtiso/sandbox.h>
#include <virtiso/snapshot.h>
#include <virtiso/version.h>

#endif
