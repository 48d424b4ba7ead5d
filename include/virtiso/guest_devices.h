/* SPDX-License-Identifier: MIT */
/**
 * @file guest_devices.h
 * The devices of kernel guests: disks, ports, networks, sockets.
 *
 * On VISO_PLATFORM_MICROVM they are virtio devices (version 1.2, over mmio) that ACPI tells of; a source of random bytes is always there,
 * too. A guest's driver is not believed anything: what breaks the rules of virtio stops that device, until the driver resets it, and
 * nothing else.
 *
 * What a clone of a snapshot is given anew by these calls, before it is switched on, <virtiso/snapshot.h> says. There -ENOSPC is that the
 * guest of the snapshot had no such device, or the clone has been given it.
 */
#ifndef VIRTISO_GUEST_DEVICES_H
#define VIRTISO_GUEST_DEVICES_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/guest.h>

VISO_BEGIN_DECLS

/** What a disk is, and what happens to what a guest writes to it. Without a flag that goes to the file. */
typedef enum viso_disk_flags {
	VISO_DISK_READ_ONLY = 1,      /**< the guest cannot write */
	VISO_DISK_DISCARD_WRITES = 2, /**< what it writes is in memory, up to 1 GiB, and gone with the computer; the file stays as it is */
	VISO_DISK_CDROM = 4,          /**< it is an ISO image or the like, as a disc in a CD-ROM drive (ATAPI): VISO_PLATFORM_PC only */
	VISO_DISK_FLAGS_ENUM_WIDTH_ = 0x7fffffff /**< not a flag; fixes the width of the type */
} viso_disk_flags;

/**
 * Give a kernel guest a disk: a file of raw sectors, or a block device. The first one is vda (on VISO_PLATFORM_PC: the first ATA disk, from
 * which it boots).
 *
 * With VISO_DISK_CDROM it is a disc in a drive, of sectors of 2048 bytes, which the guest reads (Linux: as sr0). A PC boots from it (El
 * Torito) where it cannot from its first disk. The disc stays in for the host: what the guest ejects, it can load again.
 *
 * It is opened when the guest boots, and locked (open file description locks, fcntl(2)): a disk that one guest writes to is no other
 * guest's. What the guest flushes is on the host's disk (fdatasync(2)).
 *
 * @param guest  a guest that has not run anything
 * @param path   a file of the host
 * @param flags  of viso_disk_flags; 0 for none
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOENT, -ENOTDIR, -EACCES, -EISDIR, -ELOOP, -ENAMETOOLONG, -ENOMEM;
 *         -ENOSPC there are eight already.
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
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM, -EMFILE; -EBADF; -ENOTSOCK the fd is no stream socket;
 *         -EEXIST a port of this name is there; -ENOSPC there are six already.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_add_port(viso_guest *guest, const char *name, int fd);

/**
 * Give a kernel guest a network interface, with one of these behind it:
 *
 * - a tap device that is attached (TUNSETIFF) with IFF_TAP and IFF_NO_PI; with IFF_VNET_HDR, too, large packets and check sums are left to
 *   the kernel. It is made non-blocking.
 * - a connected stream socket on which each frame comes behind its length in four bytes, big-endian: what passt(1) speaks, which
 *   gives a guest the host's network without any privilege, with the host's ports forwarded as its options say: "passt --foreground
 *   --no-map-gw --fd N -t 8080:80", where N is the other end of a socketpair(2); the guest asks it for addresses by DHCP and IPv6. Without
 *   --no-map-gw what the guest sends to its gateway goes to the host's loopback, where services trust whoever comes. It ends with the last
 *   copy of this end, also where the host program is killed.
 * - a datagram or packet socket with a frame in each message, such as one end of socketpair(2), by which two guests are connected.
 *
 * @param guest  a guest that has not run anything
 * @param fd     one of these; a copy of it is kept
 * @param mac    the interface's address, as "02:00:00:00:00:01"; NULL: a random one
 * @return 0, or a negative errno: -EINVAL also where the fd is none of these, or the address is not one of a single interface; -EBUSY,
 *         -ESTALE, -ECHILD, -ENOMEM, -EMFILE; -EBADF; -ENOSPC there are four already.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_add_network(viso_guest *guest, int fd, const char *mac);

/** What is limited. */
typedef enum viso_rate {
	VISO_RATE_BYTES = 0,	  /**< of what is read and written, or of frames */
	VISO_RATE_OPERATIONS = 1, /**< requests, or frames */
	VISO_RATE_ENUM_WIDTH_ = 0x7fffffff /**< not a rate; fixes the width of the type */
} viso_rate;

/**
 * Limit what a guest reads from and writes to a disk, altogether. Bytes and operations are limited each by itself. Without this call there
 * is no limit. The guest's processors do not wait for it: its requests take longer. A request that is larger than the burst is served, and
 * the next one waits for so much longer. Disks of VISO_PLATFORM_PC have no limits.
 *
 * @param guest       a guest that has not run anything
 * @param disk        which one: 0 is the first one that was given
 * @param what        bytes or operations
 * @param per_second  how many; 0 for no limit
 * @param burst       how many at once after a rest; 0 for what a tenth of a second gives
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM; -ENOENT there is no such disk.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_disk_rate(viso_guest *guest, unsigned disk, viso_rate what, uint64_t per_second, uint64_t burst);

/**
 * Limit what a guest sends and receives by a network interface, for each of the two directions by itself. What waits, waits in the guest or
 * behind the fd. See viso_guest_set_disk_rate().
 *
 * @param guest       a guest that has not run anything
 * @param network     which interface: 0 is the first one that was given
 * @param what        bytes or operations, which are frames
 * @param per_second  how many; 0 for no limit
 * @param burst       how many at once after a rest; 0 for what a tenth of a second gives
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM; -ENOENT there is no such interface.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_network_rate(viso_guest *guest, unsigned network, viso_rate what, uint64_t per_second,
							       uint64_t burst);

/**
 * Give a kernel guest sockets to the host (AF_VSOCK, vsock(7)), which are unix stream sockets on the host's side:
 *
 * - What the guest connects to port P of the host (CID 2) is connected to the unix socket PATH_P, such as PATH_1024, if somebody listens
 *   there.
 * - Who connects to the unix socket PATH, and says "CONNECT P" and a newline, is connected to port P of the guest, and reads "OK N" and a
 *   newline first, where N is the port that the guest sees. Where nobody listens in the guest the connection ends instead.
 *
 * PATH is made when the guest boots and removed when its computer has ended. Where a host program was killed meanwhile it stays, and is
 * replaced at the next time. Whoever may connect to it is decided by its directory. Up to 128 connections are open at once; where there are
 * so many, the first of those that have not said to which port makes room for one more.
 *
 * @param guest  a guest that has not run anything
 * @param cid    the guest's address, 3 to 4294967294; nobody but the guest sees it
 * @param path   an absolute path of up to 96 bytes, in a directory that is there
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_vsock(viso_guest *guest, unsigned cid, const char *path);

/**
 * Share a directory of the host with a kernel guest, for reading: "mount -t virtiofs TAG /mnt" in a Linux guest, by a command of root
 * (viso_command_set_user(command, 0, 0)).
 *
 * The guest sees what is beneath the directory, with the host's owners and modes, and reads what the host program may read. Links are the
 * guest's to follow, in its own tree: on the host's side none is followed, so nothing leads out. Pipes, sockets and devices are seen, but
 * not opened; proc, sysfs and other file systems that show the kernel are not seen, where they are mounted beneath it. Up to 256 files are
 * open at once, and 65534 known. It is opened when the guest boots.
 *
 * @param guest  a guest that has not run anything
 * @param path   a directory of the host
 * @param tag    1 to 36 printable characters without blanks and slashes
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM, -ENOENT, -EACCES, -ENOTDIR, -ELOOP, -ENAMETOOLONG; -EEXIST
 *         this tag is there; -ENOSPC there are two already.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_share_directory(viso_guest *guest, const char *path, const char *tag);

/** What a guest may do to a directory that it may write to. */
typedef enum viso_share_flags {
	VISO_SHARE_KEEP_SETID = 1, /**< it may make programs that run as their owner or group (S_ISUID, S_ISGID) */
	VISO_SHARE_FLAGS_ENUM_WIDTH_ = 0x7fffffff /**< not a flag; fixes the width of the type */
} viso_share_flags;

/**
 * Share a directory of the host with a kernel guest, for reading and writing: viso_guest_share_directory() with what follows.
 *
 * The guest writes what the host program may write beneath the directory. What it makes belongs to the host program's user and group, whose
 * files are seen by the guest as those of uid and gid 0, and stays theirs: another owner is refused (EPERM). It makes files, directories,
 * links, pipes and sockets, but no devices. Without VISO_SHARE_KEEP_SETID no file that it makes or opens for writing runs as its owner or
 * group. Extended attributes are those in "user.". What fsync(2) in the guest has written is on the host's disk. Its locks (fcntl(2),
 * flock(2)) hold within the guest. viso_guest_set_written_max() bounds what is written, for each directory by itself; what links say and
 * attributes hold counts, names do not.
 *
 * @param guest  a guest that has not run anything
 * @param path   a directory of the host
 * @param tag    1 to 36 printable characters without blanks and slashes
 * @param flags  of viso_share_flags; 0 for none
 * @return as viso_guest_share_directory(); -EINVAL also for a flag that there is not.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_share_writable(viso_guest *guest, const char *path, const char *tag, unsigned flags);

/**
 * Ask the computer that runs to give memory back to the host: it puts so much into its balloon, or takes the rest out again. Its driver
 * does that over time, as far as it can spare it, and takes memory out by itself before it would have to end programs.
 *
 * What the guest does not use comes back without being asked for: a driver with free page reporting (Linux from 5.7 on) tells of it.
 *
 * @param guest  a guest whose computer runs, on VISO_PLATFORM_MICROVM
 * @param bytes  how much the host wants, rounded down to whole pages of 4 KiB; 0 for nothing
 * @return 0, or a negative errno: -EINVAL also more than the guest has; -ESRCH no computer runs; -EOPNOTSUPP it is of another platform;
 *         -ESTALE, -ECHILD.
 * Threads: any thread at any time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_balloon(viso_guest *guest, uint64_t bytes);

/** What a guest tells of its memory. All but the counts are bytes. */
typedef enum viso_memory_figure {
	VISO_MEMORY_SWAPPED_IN = 0,   /**< read from swap since the start */
	VISO_MEMORY_SWAPPED_OUT = 1,  /**< written to swap since the start */
	VISO_MEMORY_MAJOR_FAULTS = 2, /**< a count */
	VISO_MEMORY_MINOR_FAULTS = 3, /**< a count */
	VISO_MEMORY_FREE = 4,	      /**< used for nothing */
	VISO_MEMORY_TOTAL = 5,	      /**< that its kernel has */
	VISO_MEMORY_AVAILABLE = 6,    /**< that programs could get without swapping */
	VISO_MEMORY_CACHES = 7,	      /**< holding files */
	VISO_MEMORY_BALLOON = 8,      /**< in the balloon, given to the host */
	VISO_MEMORY_FIGURE_ENUM_WIDTH_ = 0x7fffffff /**< not a figure; fixes the width of the type */
} viso_memory_figure;

/**
 * What the computer that runs has told last of its memory, by the driver of its balloon: without an agent in it, at once, and as of the
 * call before, since each call has it tell anew. viso_guest_statistic() asks an agent, and waits for what is so now. Either is the guest's
 * word, for what that is worth.
 *
 * @param guest      a guest whose computer runs, on VISO_PLATFORM_MICROVM
 * @param figure     which one
 * @param out_value  untouched on failure
 * @return 0, or a negative errno: -ENODATA the guest has never told it; -ESRCH, -EOPNOTSUPP, -EINVAL, -ESTALE, -ECHILD.
 * Threads: any thread at any time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_memory_figure(viso_guest *guest, viso_memory_figure figure, uint64_t *out_value);

/** A kind of device, for viso_guest_traffic(). */
typedef enum viso_device {
	VISO_DEVICE_SERIAL = 0,  /**< the serial port; an operation is a byte */
	VISO_DEVICE_DISK = 1,    /**< a disk; operations are reads, to the guest, and writes */
	VISO_DEVICE_NETWORK = 2, /**< a network interface; operations are frames */
	VISO_DEVICE_PORTS = 3,   /**< all ports, that of the agent among them; operations are pieces of a stream */
	VISO_DEVICE_VSOCK = 4,   /**< all connections of viso_guest_set_vsock(); operations are packets */
	VISO_DEVICE_SHARE = 5,   /**< a shared directory; operations are requests, from the guest, and answers */
	VISO_DEVICE_ENUM_WIDTH_ = 0x7fffffff /**< not a kind; fixes the width of the type */
} viso_device;

/** What is counted of a device. */
typedef enum viso_traffic {
	VISO_TRAFFIC_BYTES_TO_GUEST = 0,        /**< bytes that the guest was given */
	VISO_TRAFFIC_BYTES_FROM_GUEST = 1,      /**< bytes that it gave */
	VISO_TRAFFIC_OPERATIONS_TO_GUEST = 2,   /**< in so many operations */
	VISO_TRAFFIC_OPERATIONS_FROM_GUEST = 3, /**< likewise */
	VISO_TRAFFIC_ENUM_WIDTH_ = 0x7fffffff   /**< not a figure; fixes the width of the type */
} viso_traffic;

/**
 * What has gone through a device of the computer that runs, as the host has counted it. What all its disks have read and written is also
 * told by viso_process_usage(), and after its end by viso_result_usage() (VISO_USAGE_READ_BYTES, VISO_USAGE_WRITTEN_BYTES).
 *
 * @param guest   a guest whose computer runs
 * @param device  the kind of device
 * @param number  which of that kind, from 0 on, in the order in which they were added
 * @param figure  which figure
 * @return the figure, or a negative errno: -EINVAL, -ENODEV it has no such device, -ESRCH no computer runs, -ESTALE, -ECHILD.
 * Threads: any thread at any time.
 * Since: 0.5
 */
VISO_PUBLIC int64_t viso_guest_traffic(viso_guest *guest, viso_device device, unsigned number, viso_traffic figure);

VISO_END_DECLS

#endif
