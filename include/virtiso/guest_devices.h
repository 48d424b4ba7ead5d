/* SPDX-License-Identifier: MIT */
/**
 * @file guest_devices.h
 * The devices of kernel guests: disks, ports, networks, sockets.
 *
 * On VISO_PLATFORM_MICROVM they are virtio devices (version 1.2, over mmio) that ACPI tells of; a source of random
 * bytes is always there, too. A guest's driver is not believed anything: what breaks the rules of virtio stops that device, until the driver
 * resets it, and nothing else.
 */
#ifndef VIRTISO_GUEST_DEVICES_H
#define VIRTISO_GUEST_DEVICES_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/guest.h>

VISO_BEGIN_DECLS

/** What happens to what a guest writes to a disk. Without a flag it goes to the file. */
typedef enum viso_disk_flags {
	VISO_DISK_READ_ONLY = 1,      /**< the guest cannot write */
	VISO_DISK_DISCARD_WRITES = 2, /**< what it writes is in memory, up to 1 GiB, and gone with the computer; the file stays as it is */
	VISO_DISK_FLAGS_ENUM_WIDTH_ = 0x7fffffff /**< not a flag; fixes the width of the type */
} viso_disk_flags;

/**
 * Give a kernel guest a disk: a file of raw sectors, or a block device. The first one is vda (on VISO_PLATFORM_PC: the first ATA disk, from
 * which it boots).
 *
 * It is opened when the guest boots, and locked (open file description locks, fcntl(2)): a disk that one guest writes to is no other guest's.
 * What the guest flushes is on the host's disk (fdatasync(2)).
 *
 * @param guest  a guest that has not run anything
 * @param path   a file of the host
 * @param flags  of viso_disk_flags; 0 for none
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOENT, -ENOTDIR, -EACCES, -EISDIR, -ELOOP, -ENAMETOOLONG, -ENOMEM; -ENOSPC
 *         there are eight already.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_add_disk(viso_guest *guest, const char *path, unsigned flags);

/**
 * Give a kernel guest a port: a stream between a program in it, which opens /dev/virtio-ports/NAME (udev makes that name of
 * /sys/class/virtio-ports/vportNpM/name), and the host.
 *
 * What the host's side does not read keeps the writer in the guest waiting. What it writes waits until the guest has the port open. Its end
 * closes the port for the guest, for ever. The copy of the fd is there as long as the guest is: that the computer has ended is
 * seen by its process alone.
 *
 * @param guest  a guest that has not run anything
 * @param name   up to 63 printable characters without blanks and slashes, such as "org.example.port.0"
 * @param fd     a connected stream socket, such as one end of socketpair(2); a copy of it is kept
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM, -EMFILE; -EBADF; -ENOTSOCK the fd is no stream socket; -EEXIST a port
 *         of this name is there; -ENOSPC there are six already.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_add_port(viso_guest *guest, const char *name, int fd);

/**
 * Give a kernel guest a network interface, with one of these behind it:
 *
 * - a tap device that is attached (TUNSETIFF) with IFF_TAP and IFF_NO_PI; with IFF_VNET_HDR, too, large packets and check sums are left to the
 *   kernel. It is made non-blocking.
 * - a connected stream socket on which each frame comes behind its length in four bytes, big-endian: what passt(1) speaks, which
 *   gives a guest the host's network without any privilege, with the host's ports forwarded as its options say.
 * - a datagram or packet socket with a frame in each message, such as one end of socketpair(2), by which two guests are connected.
 *
 * @param guest  a guest that has not run anything
 * @param fd     one of these; a copy of it is kept
 * @param mac    the interface's address, as "02:00:00:00:00:01"; NULL: a random one
 * @return 0, or a negative errno: -EINVAL also where the fd is none of these, or the address is not one of a single interface; -EBUSY, -ESTALE,
 *         -ECHILD, -ENOMEM, -EMFILE; -EBADF; -ENOSPC there are four already.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_add_network(viso_guest *guest, int fd, const char *mac);

VISO_END_DECLS

#endif
