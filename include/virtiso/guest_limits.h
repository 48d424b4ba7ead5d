/* SPDX-License-Identifier: MIT */
/**
 * @file guest_limits.h
 * How much a guest may use beside its memory and time, and what it asked for.
 */
#ifndef VIRTISO_GUEST_LIMITS_H
#define VIRTISO_GUEST_LIMITS_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/guest.h>

VISO_BEGIN_DECLS

/**
 * Limit the processes and threads that are in a guest at once. Without this call it is 256. A further one gets EAGAIN.
 *
 * @param guest  a guest that has not run anything
 * @param count  1 to 4096, the first one included
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_processes_max(viso_guest *guest, uint64_t count);

/**
 * Limit the files that all programs of a guest have open at once. Without this call it is 4096, and a quarter of what the host program
 * may open. A further one gets ENFILE.
 *
 * @param guest  a guest that has not run anything
 * @param count  4 to 1048576, the standard streams included
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_files_max(viso_guest *guest, uint64_t count);

/**
 * Limit the bytes that all programs of a guest write to files, streams and sockets altogether. Without this call there is no limit.
 * What goes beyond gets EDQUOT; captured output has its own bound and counts all the same. So does what is copied to a kept upper
 * directory (viso_guest_set_upper_directory()) since a program opens a file of the root for writing.
 *
 * @param guest  a guest that has not run anything
 * @param bytes  how many, at least 1
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_written_max(viso_guest *guest, uint64_t bytes);

/**
 * Limit the system calls of all programs of a guest. Without this call there is no limit. The guest is ended with
 * VISO_REASON_SYSCALLS_MAX at the first one beyond. Each call of viso_guest_call() and each request counts anew.
 *
 * @param guest  a guest that has not run anything
 * @param count  how many, at least 1
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_syscalls_max(viso_guest *guest, uint64_t count);

/**
 * Write an ELF core file where a program of the guest ends by a signal that makes one (core(5)). It has the registers of all threads
 * and what memory the program had, for gdb(1). The first one counts.
 *
 * @param guest  a guest that has not run anything
 * @param path   a file of the host, made anew or emptied when it is written; its directory must exist
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOENT, -ENOTDIR, -EACCES, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_core_path(viso_guest *guest, const char *path);

/**
 * Which system calls all commands and calls of a guest have made so far.
 *
 * @param guest        a guest
 * @param unserved     0: those that were served, also where they failed; 1: those that gave ENOSYS since the library does not serve
 *                     them, or not with these arguments
 * @param out_numbers  where their numbers on this processor are put, in ascending order; may be NULL where `max` is 0
 * @param out_counts   where it is put how often each was made; may be NULL
 * @param max          how many fit
 * @return how many there are, which may be more than `max`; -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC int viso_guest_syscalls(viso_guest *guest, int unserved, int *out_numbers, uint64_t *out_counts, size_t max);

/**
 * The name of a system call.
 *
 * @param number  its number on this processor
 * @return a static string; "unknown" where there is none.
 * Threads: any.
 * Since: 0.4
 */
VISO_PUBLIC const char *viso_syscall_name(int number);

VISO_END_DECLS

#endif
