/* SPDX-License-Identifier: MIT */
/**
 * @file process.h
 * A command that runs in a sandbox, from viso_sandbox_spawn().
 */
#ifndef VIRTISO_PROCESS_H
#define VIRTISO_PROCESS_H

#include <virtiso/attributes.h>
#include <virtiso/command.h>
#include <virtiso/result.h>

VISO_BEGIN_DECLS

/** A running or ended command; opaque, reference counted. */
typedef struct viso_process viso_process;

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
 * Send a signal to the program. In a guest a signal does what it does by default; where the program has a handler for it,
 * nothing happens.
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

VISO_END_DECLS

#endif
