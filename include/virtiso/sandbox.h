/* SPDX-License-Identifier: MIT */
/**
 * @file sandbox.h
 * What the three strengths have in common: run a command and learn how it ended.
 *
 * A viso_sandbox is a view of a viso_jail, viso_container or viso_guest and lives as long as that handle. Its first command
 * freezes the settings of the handle. Each command gets an instance of its own (namespaces, a container's /tmp, control
 * group, virtual machine); nothing is carried from one command to the next. Several commands may run at once. After
 * viso_sandbox_start() all commands share one instance instead.
 */
#ifndef VIRTISO_SANDBOX_H
#define VIRTISO_SANDBOX_H

#include <stddef.h>
#include <virtiso/attributes.h>
#include <virtiso/command.h>
#include <virtiso/process.h>
#include <virtiso/result.h>

VISO_BEGIN_DECLS

/** The view that the three strengths share; opaque, borrowed from its handle. */
typedef struct viso_sandbox viso_sandbox;

/** The three strengths. */
typedef enum viso_isolation {
	VISO_ISOLATION_JAIL = 1,      /**< viso_jail: chroot, hardened */
	VISO_ISOLATION_CONTAINER = 2, /**< viso_container: namespaces */
	VISO_ISOLATION_GUEST = 3,     /**< viso_guest: a virtual machine under KVM */
	VISO_ISOLATION_ENUM_WIDTH_ = 0x7fffffff /**< not a strength; fixes the width of the type */
} viso_isolation;

/** What a sandbox can reach by network. */
typedef enum viso_network {
	VISO_NETWORK_NONE = 0, /**< nothing (the default); a container has a loopback interface of its own */
	VISO_NETWORK_HOST = 1, /**< the host's network, with its abstract unix sockets; not in a guest */
	VISO_NETWORK_ENUM_WIDTH_ = 0x7fffffff /**< not a network; fixes the width of the type */
} viso_network;

/**
 * The strength of a sandbox.
 *
 * @param sandbox  a sandbox
 * @return the strength, a positive number; -EINVAL where `sandbox` is NULL.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC int viso_sandbox_isolation(const viso_sandbox *sandbox);

/**
 * The name of a strength: "jail", "container", "guest".
 *
 * @param isolation  a strength
 * @return a static string; NULL for a value that is none.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_isolation_name(viso_isolation isolation);

/**
 * Start an instance that stays: all later commands run in it, with the same ids, limits and Landlock domain, so that they
 * can signal each other, and what a command leaves running in the background goes on running. viso_sandbox_close() ends all of
 * it as one, and so does the end of the host program. Commands that run already are not part of it.
 *
 * The limits of memory and processes are those of all commands together. A command that ends for want of memory has
 * VISO_REASON_OUT_OF_MEMORY even where others used more. viso_process_kill() and a command's time limits end that command with
 * all that it started; where its program ends by itself, the rest goes on. Where the instance is killed from outside, its
 * commands and further starts fail with -EPIPE: close the sandbox and make a new one.
 *
 * @param sandbox  a sandbox whose handle has a root; as yet that of a jail
 * @return 0, also where it runs already, or a negative errno as viso_sandbox_spawn(); -EOPNOTSUPP a container or guest.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_sandbox_start(viso_sandbox *sandbox);

/**
 * Find the processes in a sandbox: the programs of its commands and all that they started, in the background too. Ended ones that
 * nobody has waited for yet, and the library's own, are not among them. Of more than 16,000 only the first are told.
 *
 * @param sandbox   a sandbox
 * @param out_pids  where process ids of the host are put; may be NULL where `max` is 0
 * @param max       how many fit
 * @return how many processes there are, which may be more than `max`; 0 in a guest, which has none on the host; or a negative
 *         errno: -EINVAL, -ESTALE, -ENOMEM, -EMFILE, -ENFILE, -EAGAIN the launcher is stopped, -ECHILD.
 * Threads: any at any time. A process may end, and its id be given to another one, before the caller looks at it.
 * Since: 0.2
 */
VISO_PUBLIC int viso_sandbox_pids(viso_sandbox *sandbox, int *out_pids, size_t max);

/**
 * Start a command and return while it runs.
 *
 * @param sandbox      a sandbox whose handle has a root
 * @param command      the command; may be changed or released afterwards
 * @param out_process  where the process is put, owned by the caller; untouched on failure
 * @return 0 once the program is executing, or a negative errno: -EINVAL bad argument or no root set, -ESTALE after
 *         viso_sandbox_close(), -ECHILD, -ENOENT no such program in the root (stage VISO_STAGE_EXEC) or directory
 *         (VISO_STAGE_CWD), -ENOTDIR, -ELOOP, -EISDIR a stream is a directory, -EACCES, -ENOEXEC, -E2BIG, -ENOMEM, -EMFILE,
 *         -ENFILE, -EAGAIN a process limit of the host, -EPERM, -ENOSYS or -EOPNOTSUPP what the kernel or its settings do not allow (the message names what), -ENODEV no
 *         usable /dev/kvm, -ENOSPC, -EPIPE the launcher was killed from outside, and what viso_root_build() returns.
 * Threads: any; several commands of one sandbox may be started at once.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_sandbox_spawn(viso_sandbox *sandbox, const viso_command *command,
						     viso_process **out_process);

/**
 * Run a command to its end.
 *
 * @param sandbox     a sandbox whose handle has a root
 * @param command     the command; VISO_STDIO_PIPE is refused here, since nobody could serve the pipe
 * @param out_result  where the result is put, owned by the caller; untouched on failure; NULL where it is not wanted
 * @return 0 when the command ran, however it ended; or a negative errno as viso_sandbox_spawn() and viso_process_wait().
 * Threads: any; several commands of one sandbox may run at once.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_sandbox_run(viso_sandbox *sandbox, const viso_command *command,
						   viso_result **out_result);

/**
 * Send a signal to the program of every command that runs in the sandbox; not to what they left running in the background.
 *
 * @param sandbox  a sandbox
 * @param signal   a signal number, 1 to 64
 * @return how many were signalled, 0 where none runs; -EINVAL, -EOPNOTSUPP a guest cannot be stopped and continued,
 *         -ESTALE, -ECHILD.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC int viso_sandbox_signal(viso_sandbox *sandbox, int signal);

/**
 * Kill every command that runs in the sandbox, with all that they started. What a command that has ended left running in an
 * instance (viso_sandbox_start()) goes on; viso_sandbox_close() ends that as well.
 *
 * @param sandbox  a sandbox
 * @return how many were killed, 0 where none ran; -EINVAL, -ESTALE, -ECHILD.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC int viso_sandbox_kill(viso_sandbox *sandbox);

/**
 * Kill what runs, wait until it is gone, and give back what the kernel holds. Processes of the sandbox stay valid: their
 * results can be fetched. A second call does nothing.
 *
 * @param sandbox  a sandbox
 * @return 0; -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC int viso_sandbox_close(viso_sandbox *sandbox);

VISO_END_DECLS

#endif
