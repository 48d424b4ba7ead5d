/* SPDX-License-Identifier: MIT */
/**
 * @file guest_agent.h
 * Guest tools: viso-agent in a kernel guest, by which its sandbox runs commands and copies files.
 *
 * A kernel guest on VISO_PLATFORM_MICROVM has a port "org.libvirtiso.agent.0" for it. A guest with a root (viso_guest_set_root()) and a
 * Linux kernel gets the agent as its first process, together with the modules of the kernel that it needs, from lib/modules/VERSION beside
 * the directory of the kernel; the root is its first file system, in its memory or as viso_guest_set_root_medium() says. Any other
 * operating system can run the installed program `viso-agent --service` itself.
 *
 * viso_sandbox_start() boots the computer and waits until the agent has answered, for three minutes at most; so do viso_sandbox_spawn() and
 * viso_sandbox_run() where none runs. All commands run in that one computer, which viso_sandbox_close() switches off. Commands are as in a
 * container's instance, but that the fds of viso_command_add_fd() and the attributes of a process of the host (nice value, CPUs, and such)
 * are refused with -EOPNOTSUPP. Where the agent dies, closes its port, or is silent for half a minute while the computer runs, all its
 * commands end with VISO_REASON_GUEST_FAULT at once; later ones wait for the agent that its operating system starts in its place. Where the
 * agent breaks the protocol, or the computer ends, they fail with -EPIPE.
 */
#ifndef VIRTISO_GUEST_AGENT_H
#define VIRTISO_GUEST_AGENT_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/guest.h>

VISO_BEGIN_DECLS

/** How an operating system is to end. */
typedef enum viso_shutdown {
	VISO_SHUTDOWN_POWER_OFF = 1, /**< the computer is switched off */
	VISO_SHUTDOWN_REBOOT = 2,    /**< it would begin anew: the computer ends with exit code 1 */
	VISO_SHUTDOWN_ENUM_WIDTH_ = 0x7fffffff /**< not a way to end; fixes the width of the type */
} viso_shutdown;

/** A figure of an operating system, for viso_guest_statistic(). */
typedef enum viso_statistic {
	VISO_STATISTIC_MEMORY_TOTAL = 0,     /**< memory that it has, bytes */
	VISO_STATISTIC_MEMORY_FREE = 1,      /**< memory that nothing is in, bytes */
	VISO_STATISTIC_MEMORY_AVAILABLE = 2, /**< memory that programs could get, bytes */
	VISO_STATISTIC_SWAP_TOTAL = 3,       /**< swap, bytes */
	VISO_STATISTIC_SWAP_FREE = 4,        /**< free swap, bytes */
	VISO_STATISTIC_LOAD_1 = 5,           /**< load average of a minute, thousandths */
	VISO_STATISTIC_LOAD_5 = 6,           /**< of five minutes */
	VISO_STATISTIC_LOAD_15 = 7,          /**< of a quarter of an hour */
	VISO_STATISTIC_PROCESSES = 8,        /**< processes and threads */
	VISO_STATISTIC_UPTIME_MS = 9,        /**< time since it was booted, milliseconds */
	VISO_STATISTIC_TIME_NS = 10,         /**< its clock, nanoseconds since 1970 */
	VISO_STATISTIC_COMMANDS = 11,        /**< commands that its agent runs */
	VISO_STATISTIC_ENUM_WIDTH_ = 0x7fffffff /**< not a figure; fixes the width of the type */
} viso_statistic;

/** Which agent a guest has, for viso_guest_set_agent(). */
typedef enum viso_agent {
	VISO_AGENT_VISO = 0, /**< viso-agent (the default) */
	VISO_AGENT_QEMU = 1, /**< the QEMU guest agent, qemu-ga: on its usual port org.qemu.guest_agent.0; on a PC, on the second serial port (isa-serial, COM2) */
	VISO_AGENT_ENUM_WIDTH_ = 0x7fffffff /**< not an agent; fixes the width of the type */
} viso_agent;

/**
 * Choose the agent by which commands run and files are copied. Many systems have a package qemu-guest-agent, and run it where they find its
 * port. In a guest with a root (viso_guest_set_root()) viso-agent is still the first process, and runs /usr/sbin/qemu-ga of the root, again
 * where it has ended.
 *
 * What the protocol of qemu-ga has no words for fails with -EOPNOTSUPP, whose object names it: terminals, pipes and other streams while a
 * program runs (standard input is a file or bytes, at most 16 MiB; output comes when the program has ended, up to the 16 MiB that qemu-ga
 * keeps), signals, users (programs run as qemu-ga does, which is root), working directories, limits of resources and of CPU time, fds; of
 * files it copies single ones, without their modes. A kill and a time limit end the program alone, and not what it has started. Commands
 * end with VISO_REASON_GUEST_FAULT where qemu-ga does not answer for ten seconds, or was started anew. viso_guest_shut_down() needs a
 * /sbin/shutdown in the guest, viso_guest_set_clock() a /sbin/hwclock.
 *
 * @param guest  a guest that has not run anything
 * @param agent  which one
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -EOPNOTSUPP this library was built without json-c, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 * See: docs/interop/qemu-ga.rst of QEMU
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_agent(viso_guest *guest, viso_agent agent);

/** Where the root of a guest that boots lies, for viso_guest_set_root_medium(). */
typedef enum viso_root_medium {
	VISO_ROOT_MEDIUM_AUTO = 0,   /**< in memory; on a disk where its files are more than a quarter of the memory, the host has mkfs.erofs, and the kernel's module erofs
					  is beside it (the default) */
	VISO_ROOT_MEDIUM_MEMORY = 1, /**< in the guest's memory, as its first file system (initramfs) */
	VISO_ROOT_MEDIUM_DISK = 2,   /**< packed as EROFS on a read-only virtio disk behind all others */
	VISO_ROOT_MEDIUM_SHARE = 3,  /**< the directory of the built root itself, by virtiofs: nothing is packed */
	VISO_ROOT_MEDIUM_ENUM_WIDTH_ = 0x7fffffff /**< not a medium; fixes the width of the type */
} viso_root_medium;

/**
 * Choose where the root of a guest with a Linux kernel lies. On a disk, or shared, it needs little of the guest's memory: what is written
 * goes to a file system in memory above it, and is gone with the computer. The kernel needs overlay, and erofs or virtiofs: built in, or as
 * modules beside it. A disk is packed anew at each boot, into a file without a name in /var/tmp. What is shared belongs to whoever owns it
 * on the host, and changes there show in the guest.
 *
 * @param guest   a guest that has not run anything
 * @param medium  where; VISO_ROOT_MEDIUM_DISK and VISO_ROOT_MEDIUM_SHARE need VISO_PLATFORM_MICROVM when it boots, and take the place of
 *                one of its virtio devices
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_root_medium(viso_guest *guest, viso_root_medium medium);

/**
 * Have the operating system end its programs, write what is to be written, and end itself; and wait until the computer has ended.
 *
 * @param guest       a kernel guest with an agent
 * @param how         what is to follow
 * @param timeout_ms  how long to wait in milliseconds, 1 or more
 * @return 0, or a negative errno: -EINVAL, -ESRCH no computer runs, -ETIMEDOUT it still runs (viso_process_kill() and viso_sandbox_close()
 *         switch it off), -EPERM the agent is neither the first process nor a service, -EPIPE there is no contact with the agent, -EPROTO,
 *         -EPROTONOSUPPORT the agent is of another version, -EOPNOTSUPP the computer has no port for an agent, -EAGAIN, -ESTALE, -ENOMEM,
 *         -EMFILE, -ENFILE, -ECHILD.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_shut_down(viso_guest *guest, viso_shutdown how, int timeout_ms);

/**
 * Set the clock of the operating system to that of the host, as after it was paused.
 *
 * @param guest       a kernel guest with an agent
 * @param timeout_ms  how long to wait for the answer in milliseconds, 1 or more
 * @return 0, or a negative errno as viso_guest_shut_down().
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_clock(viso_guest *guest, int timeout_ms);

/**
 * Ask the operating system for a figure, by its agent, and wait for the answer. It is its own word, and need not be true.
 * viso_guest_memory_figure() tells of the memory without an agent and without waiting.
 *
 * @param guest       a kernel guest with an agent
 * @param statistic   which figure
 * @param timeout_ms  how long to wait for the answer in milliseconds, 1 or more
 * @return the figure, or a negative errno as viso_guest_shut_down().
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int64_t viso_guest_statistic(viso_guest *guest, viso_statistic statistic, int timeout_ms);

VISO_END_DECLS

#endif
