/* SPDX-License-Identifier: MIT */
/**
 * @file process.h
 * A command that runs in a sandbox, from viso_sandbox_spawn().
 */
#ifndef VIRTISO_PROCESS_H
#define VIRTISO_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/command.h>
#include <virtiso/result.h>

VISO_BEGIN_DECLS

/** A running or ended command; opaque, reference counted. */
typedef struct viso_process viso_process;

/** A step of a start, for viso_process_timings(), in their order. */
typedef enum viso_step {
	VISO_STEP_SENT = 0,       /**< the host program has sent the plan; the beginning, 0 */
	VISO_STEP_RECEIVED = 1,   /**< the launcher has it */
	VISO_STEP_CGROUPS = 2,    /**< the control groups are made */
	VISO_STEP_CLONED = 3,     /**< the first process with its namespaces is made */
	VISO_STEP_IDS = 4,        /**< the ids are mapped */
	VISO_STEP_NETWORK = 5,    /**< the network is set up */
	VISO_STEP_MOUNTS = 6,     /**< the root is entered */
	VISO_STEP_CONFINED = 7,   /**< credentials, limits and filters are set; execve(2) is next */
	VISO_STEP_STARTED = 8,    /**< the program is executing, as the launcher sees it */
	VISO_STEP_ENDED = 9,      /**< everything has ended */
	VISO_STEP_ENUM_WIDTH_ = 0x7fffffff /**< not a step; fixes the width of the type */
} viso_step;

/**
 * Take one more reference.
 *
 * @param process  a process, or NULL
 * @return `process`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_process *viso_process_ref(viso_process *process);

/**
 * Give one reference back; the last one kills the command where it still runs, waits for its end, and frees the process.
 *
 * @param process  a process, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_process *viso_process_unref(viso_process *process);

/**
 * The process id on the host, for display; signals go through viso_process_signal().
 *
 * @param process  a process
 * @return the id in the host program's pid namespace; 0 for a guest, which has none; -EINVAL, -ECHILD.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC int viso_process_pid(viso_process *process);

/**
 * A fd that becomes readable when the command has ended. Poll it; never read from it.
 *
 * @param process  a process
 * @return the fd, borrowed, valid as long as the process; -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC int viso_process_fd(viso_process *process);

/**
 * Take the host's end of a stream that was set to VISO_STDIO_PIPE.
 *
 * @param process  a process
 * @param stream   which stream
 * @return the fd, close-on-exec, owned by the caller from now on; -EINVAL bad argument, -EBADF the stream is no pipe or
 *         was taken already, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC int viso_process_take_stream(viso_process *process, viso_stream stream);

/**
 * Send a signal to the program. In a guest it reaches handlers too, with si_pid 0 for its sender; there a program cannot be stopped and
 * continued (SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT).
 *
 * @param process  a process
 * @param signal   a signal number, 1 to 64; SIGKILL is viso_process_kill()
 * @return 0, also where it has just ended; -EINVAL bad argument, -ESRCH its end is known already, -EOPNOTSUPP a guest
 *         cannot be stopped and continued, -ECHILD.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC int viso_process_signal(viso_process *process, int signal);

/**
 * Kill the command and all that it started. The result's reason will be VISO_REASON_KILLED.
 *
 * @param process  a process
 * @return 0, also where it has ended; -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC int viso_process_kill(viso_process *process);

/**
 * Wait until the command has ended and nothing is left of it.
 *
 * @param process     a process
 * @param timeout_ms  how long to wait in milliseconds; 0 only asks; -1 waits without a limit
 * @param out_result  where the result is put, owned by the caller; NULL where it is not wanted
 * @return 0; -ETIMEDOUT it still runs, -EINTR a signal handler of the host program ran, -EINVAL bad argument, -EPIPE the
 *         launcher was killed from outside, -ENOMEM, -ECHILD.
 * Threads: any at any time; all that wait get the same result.
 * Since: 0.1
 */
VISO_PUBLIC int viso_process_wait(viso_process *process, int timeout_ms, viso_result **out_result);

/**
 * What the command uses at this moment; after its end what it has used, as viso_result_usage() of its result.
 *
 * Figures come from its control group; where it has none, the times, page faults, memory (of pages that processes share each its
 * part) and number of its processes from /proc. Throttling, pressure, input and output and what the limits did are known by the
 * control group only. Pressure (PSI) is that of a version 2 group, which a container has with any setting of container_limits.h
 * beyond memory_max and processes_max, or where these are limited by version 2. Of a command in a jail's instance only
 * the wall-clock time is known, in a container's what /proc tells; see viso_sandbox_usage(). Exits and interrupts are those of a computer
 * (viso_guest_boot()).
 *
 * @param process  a process
 * @param usage    which figure
 * @return the figure; -EINVAL, -ENODATA it is not known here, -EOPNOTSUPP a program in a guest, before its end, -EAGAIN the launcher does
 *         not answer for ten seconds, -EMFILE, -EPIPE the launcher was killed from outside, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC int64_t viso_process_usage(viso_process *process, viso_usage usage);

/**
 * When the steps of the start were done, in nanoseconds since VISO_STEP_SENT. All are known after the end, of a spawned command
 * those up to VISO_STEP_STARTED at once.
 *
 * @param process  a process
 * @param out_ns   where they are put, by viso_step; a step that was not made, or is not known yet, has -1
 * @param max      how many fit
 * @return how many steps there are, which may be more than `max`; -EINVAL, -EOPNOTSUPP a guest, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC int viso_process_timings(viso_process *process, int64_t *out_ns, size_t max);

/**
 * The name of a step: "sent", "received", "cgroups", "cloned", "ids", "network", "mounts", "confined", "started", "ended".
 *
 * @param step  a step
 * @return a static string; NULL for a value that is none.
 * Threads: any.
 * Since: 0.3
 */
VISO_PUBLIC const char *viso_step_name(viso_step step);

/**
 * Take the host's end of the terminal of viso_command_set_terminal(): what is written to it is typed, what is read from it is
 * shown; reading fails with EIO once nobody in the sandbox has it open any more. Closing it hangs up (SIGHUP).
 *
 * @param process  a process
 * @return the fd, close-on-exec, owned by the caller from now on; -EINVAL, -EBADF it has none, or it was taken already,
 *         -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: pty(7)
 */
VISO_PUBLIC int viso_process_take_terminal(viso_process *process);

/**
 * Tell the program that its terminal has another size now (SIGWINCH). Works also after viso_process_take_terminal(), as long as
 * the terminal is open under the number that it had then.
 *
 * @param process  a process
 * @param columns  1 to 65535
 * @param rows     1 to 65535
 * @return 0; -EINVAL, -EBADF it has no terminal, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 * See: TIOCSWINSZ(2const)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_process_resize_terminal(viso_process *process, unsigned columns, unsigned rows);

VISO_END_DECLS

#endif
