/* SPDX-License-Identifier: MIT */
/**
 * @file notification.h
 * System calls of a container that the host program answers: viso_container_add_syscall_rule() with VISO_SYSCALL_NOTIFY.
 */
#ifndef VIRTISO_NOTIFICATION_H
#define VIRTISO_NOTIFICATION_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/process.h>

VISO_BEGIN_DECLS

/** A system call that waits for an answer; opaque, reference counted. It keeps one fd open. */
typedef struct viso_notification viso_notification;

/**
 * Take one more reference.
 *
 * @param notification  a notification, or NULL
 * @return `notification`.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC viso_notification *viso_notification_ref(viso_notification *notification);

/**
 * Give one reference back; the last one refuses the call with ENOSYS where it has not been answered, and frees the
 * notification.
 *
 * @param notification  a notification, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC viso_notification *viso_notification_unref(viso_notification *notification);

/**
 * A fd that becomes readable when a system call waits for an answer. Poll it; never read from it.
 *
 * @param process  a process that was spawned in a container with a rule VISO_SYSCALL_NOTIFY
 * @return the fd, borrowed, valid as long as the process; -EINVAL, -EBADF there is no such rule, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC int viso_process_notification_fd(viso_process *process);

/**
 * Wait for the next system call for which there is a rule VISO_SYSCALL_NOTIFY. The caller of it waits until it is answered.
 *
 * viso_sandbox_run() has nobody who could answer and is refused in such a container. So has viso_process_wait(): a program that
 * waits for an answer does not end. From the end of the host program on, such calls fail with ENOSYS.
 *
 * @param process           as above
 * @param timeout_ms        how long to wait in milliseconds; 0 only asks; -1 waits without a limit
 * @param out_notification  where it is put, owned by the caller; untouched on failure
 * @return 0; -ETIMEDOUT, -ESRCH the command has ended, -EINTR a signal handler of the host program ran, -EINVAL, -EBADF there
 *         is no such rule, -EMFILE, -ENOMEM, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 * See: seccomp_unotify(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_process_next_notification(viso_process *process, int timeout_ms,
								viso_notification **out_notification);

/**
 * The name of the system call.
 *
 * @param notification  a notification
 * @return borrowed, valid as long as the notification, "unknown" for one without a name; NULL with EINVAL or ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC const char *viso_notification_name(const viso_notification *notification);

/**
 * The number of the system call.
 *
 * @param notification  a notification
 * @return the number on this processor; -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC int viso_notification_number(const viso_notification *notification);

/**
 * The process that made the call, as the host sees it.
 *
 * @param notification  a notification
 * @return its process id, or rather that of its thread; -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC int viso_notification_pid(const viso_notification *notification);

/**
 * An argument of the call.
 *
 * @param notification  a notification
 * @param index         0 to 5
 * @param out_value     where it is put
 * @return 0; -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_notification_argument(const viso_notification *notification, unsigned index,
							    uint64_t *out_value);

/**
 * Copy a NUL-terminated string, or bytes, out of the memory of the process that waits. What another thread of it may change
 * meanwhile is no base for a decision on
 * security with viso_notification_continue().
 *
 * @param notification  a notification
 * @param address       in that process, such as the value of an argument
 * @param buffer        where it is put
 * @param size          how many bytes at most
 * @return how many bytes were copied; with a NUL among them the string ends there. -EINVAL, -EFAULT, -ESRCH it waits no longer,
 *         -EPERM, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 * See: process_vm_readv(2), seccomp_unotify(2)
 */
VISO_PUBLIC int viso_notification_read(const viso_notification *notification, uint64_t address, void *buffer,
				       size_t size);

/**
 * Answer: the call is not made and returns this value.
 *
 * @param notification  a notification
 * @param value         what the program gets
 * @return 0; -EINVAL, -EALREADY it was answered, -ENOENT it waits no longer, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_notification_answer(viso_notification *notification, int64_t value);

/**
 * Answer: the call is not made and fails with this errno.
 *
 * @param notification  a notification
 * @param error         1 to 4095
 * @return 0; -EINVAL, -EALREADY it was answered, -ENOENT it waits no longer, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_notification_refuse(viso_notification *notification, int error);

/**
 * Answer: the call is made as if there were no rule. Its arguments in memory may have changed since (seccomp_unotify(2)).
 *
 * @param notification  a notification
 * @return 0; -EINVAL, -EALREADY it was answered, -ENOENT it waits no longer, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_notification_continue(viso_notification *notification);

/**
 * Answer: the call is not made and returns a new fd of the program's, a duplicate of one of the host's, close-on-exec.
 *
 * @param notification  a notification
 * @param fd            an open fd of the host program; stays the caller's
 * @return 0; -EINVAL, -EBADF, -EISDIR a directory or an O_PATH fd, which would lead out, -EMFILE the program has too many,
 *         -EALREADY it was answered, -ENOENT it waits no longer, -EOPNOTSUPP before Linux 5.14, -ECHILD.
 * Threads: any at any time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_notification_answer_fd(viso_notification *notification, int fd);

VISO_END_DECLS

#endif
