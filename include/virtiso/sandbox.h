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
	VISO_NETWORK_HOST = 1, /**< the host's network; its abstract unix sockets too where Landlock has no scopes (before Linux 6.12); not in a guest */
	VISO_NETWORK_BRIDGE = 2,  /**< container: an interface of its own on a bridge of the host (veth) */
	VISO_NETWORK_MACVLAN = 3, /**< container: an interface of its own on one of the host's, by macvlan */
	VISO_NETWORK_IPVLAN = 4,  /**< container: likewise by ipvlan */
	VISO_NETWORK_USER = 5,    /**< container: the host's network through passt(1), without privileges */
	VISO_NETWORK_ENUM_WIDTH_ = 0x7fffffff /**< not a network; fixes the width of the type */
} viso_network;

/** What viso_sandbox_next_event() tells. */
typedef enum viso_event {
	VISO_EVENT_NONE = 0,        /**< nothing */
	VISO_EVENT_ENDED = 1,       /**< a command has ended */
	VISO_EVENT_OUT_OF_MEMORY = 2, /**< the kernel killed a process for want of memory */
	VISO_EVENT_MEMORY_HIGH = 3, /**< the bound of viso_container_set_memory_high() was passed */
	VISO_EVENT_MEMORY_MAX = 4,  /**< the memory limit was reached */
	VISO_EVENT_PROCESSES_MAX = 5, /**< a process could not be made for the limit of processes */
	VISO_EVENT_PAUSED = 6,      /**< all processes of a command are frozen */
	VISO_EVENT_RESUMED = 7,     /**< they go on */
	VISO_EVENT_ENUM_WIDTH_ = 0x7fffffff /**< not an event; fixes the width of the type */
} viso_event;

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
 * it as one, and so does the end of the host program, but for viso_container_set_detached(). Commands that run already are not
 * part of it.
 *
 * In a container all commands have the same namespaces and files, and an init of the library's reaps what they leave. Each has
 * an attendant there, whose number is the parent's that its program sees; a program that kills it ends its own command. With
 * control groups of version 2 each running command counts as one more process. A container that joins a pid namespace has no
 * instance (-EOPNOTSUPP).
 *
 * The limits of memory and processes are those of all commands together. A command that ends for want of memory has
 * VISO_REASON_OUT_OF_MEMORY even where others used more. viso_process_kill() and a command's time limits end that command with
 * all that it started; where its program ends by itself, the rest goes on. Where the instance is killed from outside, its
 * commands and further starts fail with -EPIPE: close the sandbox and make a new one.
 *
 * @param sandbox  a sandbox whose handle has a root
 * @return 0, also where it runs already, or a negative errno as viso_sandbox_spawn(); -EOPNOTSUPP a guest,
 *         or a container that joins a pid namespace, -EEXIST a detached container of that name runs.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_sandbox_start(viso_sandbox *sandbox);

/**
 * Find the processes in a sandbox: the programs of its commands and all that they started, in the background too. Ended ones
 * that
 * nobody has waited for yet, and the library's own, are not among them. Of more than 16,000 only the first are told.
 *
 * @param sandbox   a sandbox
 * @param out_pids  where process ids of the host are put; may be NULL where `max` is 0
 * @param max       how many fit
 * @return how many processes there are, which may be more than `max`; 0 in a guest, which has none on the host; or a negative
 *         errno: -EINVAL, -ESTALE, -ENOMEM, -EMFILE, -ENFILE, -EAGAIN the launcher does not answer for ten seconds, as where one
 *         of its processes is stopped, -ECHILD.
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
 *         -ENFILE, -EAGAIN a process limit of the host, -EPERM, -ENOSYS or -EOPNOTSUPP what the kernel or its settings do not
 *         allow (the message names what), -ENODEV no
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
 * @return 0; -EINVAL, -EDEADLK called by a handler of the same guest, which would have to wait for itself; -ECHILD.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC int viso_sandbox_close(viso_sandbox *sandbox);

/**
 * Stop all processes of all running commands by the freezer of their control group, without their taking notice. Commands have such
 * a group where the host has version 2 and they have a limit there, and containers with a setting of container_limits.h beyond
 * memory_max and processes_max also where it has version 1 only. All others get SIGSTOP, which their parents among them can see, and
 * so does everything in the instance of viso_sandbox_start().
 *
 * The computer of a kernel guest (viso_guest_boot()) has all its processors and devices stopped.
 *
 * A paused command can be killed, its wall-clock time runs on, and viso_sandbox_close() ends it. Commands that start later run.
 *
 * @param sandbox  a sandbox
 * @return how many commands were paused, 0 where none runs; -EINVAL, -ESTALE, -EOPNOTSUPP a program guest, -ETIMEDOUT a process cannot be
 *         stopped now (then all of its command goes on), -EAGAIN the launcher does not answer for ten seconds (it may still be
 *         paused later: then viso_sandbox_resume() helps), -EMFILE, -ENOMEM, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 * See: cgroup-v2.rst, cgroup.freeze
 */
VISO_PUBLIC int viso_sandbox_pause(viso_sandbox *sandbox);

/**
 * Let them go on. Processes that stopped by themselves (SIGSTOP) go on, too.
 *
 * @param sandbox  a sandbox
 * @return how many commands go on; -EINVAL, -ESTALE, -EOPNOTSUPP a program guest, -EAGAIN the launcher does not answer for ten seconds,
 *         -EMFILE, -ENOMEM, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC int viso_sandbox_resume(viso_sandbox *sandbox);

/**
 * What all running commands of the sandbox use together at this moment: the sum of their figures, also of peaks, which they need
 * not have reached at the same time. With an instance (viso_sandbox_start()) it is that of everything in it.
 *
 * @param sandbox  a sandbox
 * @param usage    which figure
 * @return the figure, 0 where nothing runs; -EINVAL, -ESTALE, -ENODATA it is not known here, -EOPNOTSUPP a program guest, -EAGAIN the
 *         launcher does not answer for ten seconds, -EMFILE, -ENOMEM, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC int64_t viso_sandbox_usage(viso_sandbox *sandbox, viso_usage usage);

/**
 * A fd that becomes readable when there is an event: a command has ended, or reached a limit. Poll it; never read from it. Only
 * commands that start after the first call of this function tell.
 *
 * There is room for some thousand events, for some hundred of an ordinary user; a program that lets them pile up loses those that
 * come then. In version 1 limits of processes are looked at five times a second, since that kernel does not tell. In an instance
 * (viso_sandbox_start()) only ends are told. Where the launcher is killed from outside, no end is told: viso_process_fd() is
 * readable then.
 *
 * @param sandbox  a sandbox
 * @return the fd, borrowed, valid until the sandbox is released; -EINVAL, -ESTALE, -EMFILE, -EOPNOTSUPP a guest, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC int viso_sandbox_fd(viso_sandbox *sandbox);

/**
 * Take the next event.
 *
 * @param sandbox      a sandbox
 * @param out_process  where the process that it is about is put, owned by the caller; NULL where it is not known any more, as after
 *                     viso_process_wait() has told its end; the argument may be NULL
 * @return a viso_event, VISO_EVENT_NONE where there is none; -EINVAL, -ESTALE, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC int viso_sandbox_next_event(viso_sandbox *sandbox, viso_process **out_process);

/**
 * Copy a file or directory tree of the host into a running instance (viso_sandbox_start()). It is read with the caller's rights
 * and made with those of the instance's default user (1000), to whom it belongs. Links are copied as links; devices, FIFOs and
 * sockets are left out. On failure nothing is left behind. What lies in memory there, as all below /tmp of a container, counts
 * against the memory limit: a copy that is larger lets the kernel end programs of the sandbox.
 *
 * @param sandbox  a sandbox with an instance
 * @param source   a file or directory of the host
 * @param path     absolute path in the sandbox; where it is a directory, the copy is put into it under the name of the source;
 *                 where it is a file, that is replaced
 * @return 0, or a negative errno: -EINVAL also without an instance, -ENOENT, -ENOTDIR, -EISDIR, -ENOTEMPTY, -EACCES, -EPERM,
 *         -EROFS, -ENOSPC, -EFBIG the tree has more than 1,000,000 entries or is deeper than 128 directories, -ETIMEDOUT nothing
 *         is taken for ten seconds, -ESTALE also a file that was cut meanwhile, -EPIPE, -EOPNOTSUPP a guest, -ENOMEM, -EMFILE,
 *         -ECHILD, and others of open(2), read(2) and write(2).
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_sandbox_copy_in(viso_sandbox *sandbox, const char *source, const char *path);

/**
 * Copy a file or directory tree out of a running instance. What programs in it made, and do meanwhile, is not trusted: links are
 * copied as links, never followed; devices, FIFOs, sockets, files on which somebody has a lease, and what lies on proc, sysfs,
 * FUSE and the like is left out; of the modes only the nine permissions are kept; several names of one file stay such, holes stay
 * holes; the new files belong to the caller. The copy appears under its name when it is whole, and on failure not at all.
 *
 * @param sandbox      a sandbox with an instance
 * @param path         absolute path in the sandbox; links on the way are those of the sandbox, the last one is not followed
 * @param destination  path on the host that is not there yet, in an existing directory
 * @return how many entries were left out, 0 for none; or a negative errno: -EINVAL also without an instance, -EEXIST, -ENOENT,
 *         -ENOTDIR, -ELOOP, -EACCES, -EROFS, -ENOSPC, -EDQUOT, -EFBIG more than 1,000,000 entries, deeper than 128 directories,
 *         or a file beyond RLIMIT_FSIZE or, of a computer, 256 GiB, by QEMU's agent 16 MiB where it has no size, -ESTALE,
 *         -EOPNOTSUPP a guest, -ENOMEM, -EMFILE, -ECHILD, and others of open(2), read(2)
 *         and write(2).
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC int viso_sandbox_copy_out(viso_sandbox *sandbox, const char *path, const char *destination);

VISO_END_DECLS

#endif
