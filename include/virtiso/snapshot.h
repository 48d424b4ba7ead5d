/* SPDX-License-Identifier: MIT */
/**
 * @file snapshot.h
 * The frozen state of an initialised guest, from which clones start in about the time that a virtual machine takes to make.
 *
 * Clones share the memory of the snapshot until they write. Each has its own copy of everything else: all processes and threads with their
 * registers, open files with their positions, signal state, timers, what it wrote to /tmp. Pipes, socketpair(2), eventfd(2),
 * timerfd_create(2) and epoll(7) of the guest are made anew, with what was in them, files on their way between sockets too. Each file that
 * was open more than once stays one file.
 *
 * A thread that waits in a system call makes it once more in each clone, which goes for a hypercall that waits for its answer too. What was
 * to happen after a while (a sleep, a wait with a time limit, an alarm) has as much time left as it had when it was frozen; what was to
 * happen at a moment (TIMER_ABSTIME, FUTEX_WAIT_BITSET, as of pthread_cond_timedwait(3)) happens then, which may be at once.
 *
 * Streams and sockets that were handed in are shared by all clones. Connections that the program made through the connect handler, or
 * accepted, are not: to the clones, and to the guest itself, which goes on as one, it is as if the other side had closed them. What the
 * program holds as random, such as a seed, is the same in all clones; viso_generation() of <virtiso/hypercall.h> tells it which one it is
 * in, and getrandom(2) gives each of them other bytes.
 *
 * A guest with VISO_PLACEMENT_CONTAINED is frozen by the process that serves it, which hands it over to the host program; each clone, and
 * the guest itself from then on, has a process of its own in a container of its own, so that one whose program gets the better of it
 * reaches no other one. The host program keeps the snapshot in memory, which the clones share, and never looks into it. That of a guest
 * whose program had taken over its process is whatever that made of it, and so are its clones: freeze before you hand anything over that
 * you do not trust. Standard streams are shared by all clones; with anything else of the host that was handed in, the guest cannot be
 * frozen. A clone costs a container; make them before they are needed where that counts. viso_guest_reset() takes place in the clone's
 * process, in which a program that has taken it over stays: make a clone for each of those who do not trust each other. Where that process
 * has ended, or does not do what it is asked, the reset takes a new one.
 *
 * A computer (<virtiso/guest_kernel.h>) is frozen while it runs, or is paused, and goes on itself. A clone of it is a guest that is
 * switched off: viso_guest_boot(), viso_sandbox_start() and what else switches it on have it go on from the snapshot in place of booting.
 * It has the settings of the guest that was frozen. Only what binds these to the host it may be given anew before it is switched on, by the
 * same calls, and gets nothing in place of what it is not given:
 *
 * - the standard streams: those of viso_guest_boot();
 * - disks with VISO_DISK_READ_ONLY or VISO_DISK_CDROM stay what they are; with VISO_DISK_DISCARD_WRITES each clone has what was written
 *   until then, and writes to memory of its own. For each disk that is written to, in their order, viso_guest_add_disk() must give a copy
 *   as it was when the computer was frozen, or one with VISO_DISK_DISCARD_WRITES;
 * - viso_guest_add_port(), by its name: the stream goes on with whoever is at the other end now. Else that end is closed;
 * - viso_guest_add_network(), for each interface in their order, with NULL for the address, which stays: a socket, or a tap with
 *   IFF_VNET_HDR where there was one. Else its cable is out. What serves one guest, as passt(1) does, is started anew for each clone;
 * - viso_guest_set_vsock(): all connections that the guest had are reset. Else nobody connects to it, nor it to anybody;
 * - directories that are shared stay, and stay mounted. What the guest has open there is opened anew when the clone is switched on, by its
 *   name: nothing of the host's files is in the snapshot. Where another file has come in its place meanwhile, or none is left, as of a file
 *   that the guest has removed and has open yet, or it may not be opened any more, programs get ESTALE, as with NFS; names are looked up
 *   again;
 * - handlers of hypercalls. A call that waits for its answer is made once more; requests of the host program are the original's.
 *
 * A computer in a container (VISO_PLACEMENT_CONTAINED) has clones in containers. What its process tells of it the host program keeps
 * without looking into it, and hands it to the processes of clones, none of which can change what it is for the others. Their disks are
 * opened by their paths, also those that stay what they are.
 *
 * The memory that a clone uses (VISO_USAGE_MEMORY) is what it has for itself, as it has written to it, or nobody had before.
 *
 * Time of a clone goes on where it was, but for the clock, which its agent sets, where the host had contact with that before. It brings
 * other random bytes, too, so that the kernel of each clone gives others: viso-agent as soon as the clone is switched on, and its kernel
 * uses them at once; qemu-ga (VISO_AGENT_QEMU) before the first command, through /dev/urandom, and Linux uses them within a minute, before
 * 5.18 within five. A kernel with a driver for "VM Generation ID" (Linux from 5.18 on, CONFIG_VMGENID; in Debian 12 linux-image-amd64 has
 * it, and linux-image-cloud-amd64 has not) sees to that by itself, at once, with or without an agent. A PC has no such device, which would
 * tell it that it is virtual: without qemu-ga, and until the bytes of that are used, its kernel has the random numbers of the original's,
 * so it should not make keys until then; the clock that it has as hardware shows the host's time. What programs hold as random by
 * themselves is the same in all clones of a computer, too. Commands that the agent of the original ran go on in the clone, with nobody to
 * hear of them.
 */
#ifndef VIRTISO_SNAPSHOT_H
#define VIRTISO_SNAPSHOT_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/guest.h>

VISO_BEGIN_DECLS

/** A guest's frozen state; opaque, reference counted, immutable. */
typedef struct viso_snapshot viso_snapshot;

/**
 * Freeze an initialised guest. The guest itself goes on as a clone of the snapshot, and viso_guest_reset() brings it back. A computer just
 * goes on.
 *
 * @param guest         an initialised guest without a call on its way; or one whose computer runs or is paused
 * @param out_snapshot  where it is put, owned by the caller; untouched on failure
 * @return 0; -EINVAL also not initialised, -ESRCH no computer runs, -EBUSY a call is on its way, -EIO the guest is poisoned, -EOPNOTSUPP
 *         the program has what cannot be frozen (the message names it: the ring, a mapped file of /proc); -EFBIG RLIMIT_FSIZE of the host
 *         program is less than the memory of the computer or contained guest. Of a contained program also: -EFAULT its process has ended or
 *         makes no sense, -ETIMEDOUT it does not answer, -ECANCELED by viso_guest_cancel() (these three have poisoned it), and what a start
 *         or loading a snapshot gives. Of a contained computer also: -EAGAIN, -EPROTO its process does not answer for ten seconds, or tells
 *         what cannot be; -ENODEV no usable /dev/kvm, -EACCES, -ENOMEM, -EMFILE, -ESTALE, -ECHILD, or what KVM refuses with (stage
 *         VISO_STAGE_KVM).
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_snapshot(viso_guest *guest, viso_snapshot **out_snapshot);

/**
 * Take one more reference.
 *
 * @param snapshot  a snapshot, or NULL
 * @return `snapshot`.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC viso_snapshot *viso_snapshot_ref(viso_snapshot *snapshot);

/**
 * Give one reference back; the last one frees it. Clones have references of their own.
 *
 * @param snapshot  a snapshot, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC viso_snapshot *viso_snapshot_unref(viso_snapshot *snapshot);

/**
 * Make an initialised guest that goes on from the snapshot. Its settings are those of the guest that was frozen; hypercall and connect
 * handlers can be set anew before its first call. That of a computer is switched off, and goes on from there when it is switched on.
 *
 * A snapshot keeps up to four virtual machines of clones that are gone, brought back as by viso_guest_reset(), for the clones to come:
 * these then take microseconds. They go with the snapshot. Processes of contained clones are never used again.
 *
 * @param snapshot   a snapshot
 * @param out_guest  where it is put, owned by the caller; untouched on failure
 * @return 0; -EINVAL, -ENODEV no usable /dev/kvm, -EACCES, -EMFILE, -ENOMEM, -ECHILD, or what KVM refuses with (stage VISO_STAGE_KVM). Of a
 *         contained guest also what viso_sandbox_spawn() gives for containers, -EAGAIN its process does not answer, -EPROTO it makes no
 *         sense, and what viso_snapshot_load() gives for a snapshot that cannot be loaded.
 * Threads: any at any time: many clones at once.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_snapshot_clone(viso_snapshot *snapshot, viso_guest **out_guest);

/**
 * Bring a clone back to the state of its snapshot, to the byte: memory, registers, files, signals. Nothing of the calls before
 * reaches the next, but for what went out of the guest. A poisoned guest is usable again.
 *
 * The clone of a computer is switched off for it, and is given anew what binds it to the host.
 *
 * @param guest  a clone, or a guest that a snapshot was made of, without a call on its way; or the clone of a computer, switched off
 * @return 0; -EINVAL also not a clone, -EBUSY a call is on its way, or the computer runs, -EOPNOTSUPP a computer that is no clone, -ESTALE,
 *         -ENOMEM, -EMFILE, -ECHILD, or of a contained guest what viso_snapshot_clone() gives; then it is poisoned, but for a computer.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_reset(viso_guest *guest);

/**
 * How much memory a snapshot holds, which all its clones share.
 *
 * @param snapshot  a snapshot
 * @return bytes; -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC int64_t viso_snapshot_size(const viso_snapshot *snapshot);

/**
 * Write a snapshot to a file. It holds the program's memory, so it is as secret as that. That of a computer is as large as the computer's
 * memory, with holes for what was never written to. All processes and threads are in it, with what is between them: pipes, socketpair(2),
 * eventfds, timers, epolls, memory that they share. What cannot be saved is refused by name: files and sockets of the host that were handed
 * in, but for the three standard streams; an epoll that waits for one of these; an open file that has no name any more and lies on the
 * host; more than a gigabyte in files in memory. That of a contained guest is not saved: it is no more to be trusted than that guest, and a
 * file of it would be loaded in the host program.
 *
 * @param snapshot  a snapshot
 * @param path      a file of the host, which is replaced as a whole once everything is on the disk, with mode 0600; nothing is left of a
 *                  failure
 * @return 0; -EINVAL, -EOPNOTSUPP the program has what cannot be saved (the message names it), or was placed in a container, -ENOENT,
 *         -ENOTDIR, -EISDIR, -EACCES, -ENOSPC, -EDQUOT, -EFBIG, -EROFS, -ELOOP, -ENAMETOOLONG, -EIO, -ENODEV no usable /dev/kvm, -ENOMEM,
 *         -EMFILE, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_snapshot_save(const viso_snapshot *snapshot, const char *path);

/**
 * Read a snapshot from a file, by the same build of the library on a processor with the same features. Its memory is mapped and read when
 * it is touched, so that this costs about as much as a clone. Settings and handlers are those of `guest`; its root and the files that it is
 * shown must be those of the guest that was frozen. What the program had open or mapped of these is opened anew by its name, and must be
 * the same file, or have the same contents (up to 64 MiB). Its standard streams are /dev/null, and connections are as if the other side had
 * closed them. What was to happen after a while has as much time left as it had when it was frozen. But the clocks are those of the host,
 * also for what was to happen at a moment: after a new start of the host CLOCK_MONOTONIC is before what the program has seen of it.
 *
 * That of a computer is for a guest with the same memory, processors and devices, whose kernel and initramfs are not read. Its disks are
 * opened by their paths when a clone is switched on, and are to have the same contents. Directories are to be shared with it for the same:
 * of a copy the guest finds all by name, and nothing of what it had open. That of a computer in a container is for such a guest, and is
 * read as a whole.
 *
 * Whoever can write such a file controls the program of the guest, though not the host: everything in it is checked. But as long as it is
 * mapped nobody may shorten it, so that it must belong to this process's user or to root, and others may not write to it. To remove it or
 * to replace it by another one, as viso_snapshot_save() does, is harmless.
 *
 * @param path          what viso_snapshot_save() wrote
 * @param guest         a guest that has not run anything, with the same root, files and memory limit (or the same computer); its settings
 *                      are frozen by this, also where it fails
 * @param out_snapshot  where it is put, owned by the caller; untouched on failure
 * @return 0; -EINVAL also not such a file, a damaged one, or a guest with other files, another memory limit, another placement or too low a
 *         viso_guest_set_processes_max(), -EPROTO by another build of the library, -ENOEXEC for another processor (the message names the
 *         feature), -ENOENT the file, or one that was open, -EACCES also others may write to it, -ESTALE also a file that was open or
 *         mapped has changed, -EBUSY the guest is initialised already, or its computer runs, -EOPNOTSUPP a program that is placed in a
 *         container, -ENODEV no usable /dev/kvm, -EIO, -ENOMEM, -EMFILE, -ECHILD, and what viso_root_build() gives.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_snapshot_load(const char *path, viso_guest *guest, viso_snapshot **out_snapshot);

VISO_END_DECLS

#endif
