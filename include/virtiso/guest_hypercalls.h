/* SPDX-License-Identifier: MIT */
/**
 * @file guest_hypercalls.h
 * Hypercalls: what programs of a guest ask the host program for by viso_hypercall() of <virtiso/hypercall.h>, or by syscall(2) with
 * VISO_HYPERCALL_BASE + number. A number without a handler gives the program ENOSYS.
 *
 * The system of a computer (viso_guest_boot()) on VISO_PLATFORM_MICROVM, in its kernel and in its user space, asks by the doorbell of
 * <virtiso/doorbell.h>. All of this is the same for it, but that addresses are physical ones, of its memory or of the pages that it shares
 * with the host; that handlers are called in the threads of its processors, several at a time where several processors ask; and that a
 * computer can be paused, and end, while a handler runs: the processor that asks waits, as one that stands still, and what the handler does
 * to a hypercall of a computer that has ended gives -ESRCH. viso_guest_set_ring() changes nothing for them. A handler may wait for another
 * thread, but a processor that waits does nothing else: what lasts is better deferred, when an interrupt tells that the answer is there.
 *
 * Where the computer is in a container (VISO_PLACEMENT_CONTAINED), handlers run in threads of the library's, as many at a time as the
 * computer has processors, but at most 8; the processor that asks does not stand still, and is told of the answer by the interrupt. The
 * pages are shared with the host program itself, so that calls, requests and answers go by no other process; what is read and written of
 * the computer's memory beside goes by messages, each of 64 KiB.
 *
 * With VISO_PLACEMENT_CONTAINED all of this is the same for the host program, but is asked of the process that serves the guest, by
 * messages: a handler costs a hand-over between processes, and each 64 KiB that are read or written another one. Handlers get
 * arguments and bytes that this process may have made up, as the program could. Where it does not answer for a minute, or says what
 * makes no sense, or is ended, also by the time limit of the command, functions fail with -ESRCH; the guest then ends with
 * VISO_REASON_GUEST_FAULT, or why it was ended.
 */
#ifndef VIRTISO_GUEST_HYPERCALLS_H
#define VIRTISO_GUEST_HYPERCALLS_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/guest.h>
#include <virtiso/log.h>

VISO_BEGIN_DECLS

/** A hypercall of a guest's program; opaque, reference counted. */
typedef struct viso_hypercall viso_hypercall;

/**
 * What answers a hypercall. It may call the functions below on the hypercall, and viso_guest_cancel(). Others on the same guest are
 * refused where they would wait for the handler itself: calls and requests with -EBUSY, viso_sandbox_close() with -EDEADLK. The
 * process of the command that asks (viso_sandbox_spawn()) must neither be waited for without a limit nor given back in it: both would wait
 * for the handler. It may give the last reference of the guest back: the program is killed then, once the handler is done. Its time goes
 * by for the program, whose limits do not interrupt it. It must return: neither longjmp nor an exception may leave it.
 *
 * A handler that cannot answer at once takes a reference and calls viso_hypercall_defer(): what it returns does not count then, the
 * thread of the program waits, and viso_hypercall_answer() or viso_hypercall_refuse() from any thread lets it go on. What came through
 * the ring (viso_guest_set_ring()) cannot be deferred (-EOPNOTSUPP); its handler may be called in a thread of the library's, while the
 * program and other handlers of the guest run.
 *
 * @param hypercall  the hypercall, borrowed
 * @param userdata   what was given with the handler
 * @return what the program gets; -4095 to -1 is an errno.
 */
typedef int64_t (*viso_hypercall_fn)(viso_hypercall *hypercall, void *userdata);

/**
 * Set the handler of a hypercall. It is called in the thread that runs the guest: that of viso_sandbox_run(), viso_guest_call() or
 * viso_guest_request(), or one of the library's after viso_sandbox_spawn(). The guest stands still meanwhile; of a computer, the processor.
 *
 * @param guest    a guest that has not run anything, or a clone before its first call
 * @param number   0 to 1023
 * @param handler  the handler; NULL for none
 * @param userdata  handed to it
 * @param destroy   called once with `userdata` when the handler is replaced, or no guest has it any more, and it does not run; may be
 *                  NULL
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_hypercall_handler(viso_guest *guest, unsigned number, viso_hypercall_fn handler,
									 void *userdata, viso_destroy_fn destroy);

/**
 * Let hypercalls of a number wait until they are taken by viso_guest_next_hypercall(), for host programs that have a loop of their
 * own. For commands of viso_sandbox_spawn(), or with another thread that takes them.
 *
 * @param guest   a guest that has not run anything, or a clone before its first call
 * @param number  0 to 1023
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -EMFILE, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_queue_hypercall(viso_guest *guest, unsigned number);

/**
 * A fd that becomes readable when a hypercall of viso_guest_queue_hypercall() waits. Poll it; never read from it.
 *
 * @param guest  a guest
 * @return the fd, borrowed, valid as long as the guest; -EINVAL, -EBADF nothing is to be queued, -ESTALE, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC int viso_guest_hypercall_fd(viso_guest *guest);

/**
 * Take the next hypercall that waits.
 *
 * @param guest          a guest
 * @param timeout_ms     how long to wait in milliseconds; 0 only asks; -1 waits without a limit
 * @param out_hypercall  where it is put, owned by the caller; untouched on failure
 * @return 0; -ETIMEDOUT, -EINTR a signal handler of the host program ran, -EBADF nothing is to be queued, -EINVAL, -ESTALE, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_next_hypercall(viso_guest *guest, int timeout_ms, viso_hypercall **out_hypercall);

/**
 * Take one more reference.
 *
 * @param hypercall  a hypercall, or NULL
 * @return `hypercall`.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC viso_hypercall *viso_hypercall_ref(viso_hypercall *hypercall);

/**
 * Give one reference back; the last one refuses the call with ENOSYS where it has not been answered, and frees it.
 *
 * @param hypercall  a hypercall, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC viso_hypercall *viso_hypercall_unref(viso_hypercall *hypercall);

/**
 * The number of a hypercall.
 *
 * @param hypercall  a hypercall
 * @return the number; -EINVAL.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC int viso_hypercall_number(const viso_hypercall *hypercall);

/**
 * An argument of a hypercall.
 *
 * @param hypercall  a hypercall
 * @param index      0 to 5
 * @param out_value  where it is put
 * @return 0; -EINVAL.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_hypercall_argument(const viso_hypercall *hypercall, unsigned index, uint64_t *out_value);

/**
 * Copy bytes out of the memory of the program.
 *
 * @param hypercall  a hypercall that has not been answered
 * @param address    in the program
 * @param buffer     where they are put; undefined on failure
 * @param size       how many bytes
 * @return 0; -EFAULT the program may not read all of them, -EALREADY, -ESRCH it has ended, -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_hypercall_read(viso_hypercall *hypercall, uint64_t address, void *buffer, size_t size);

/**
 * Copy bytes into the memory of the program. Of a computer that is paused a handler waits for that to end.
 *
 * @param hypercall  a hypercall that has not been answered
 * @param address    in the program
 * @param data       the bytes
 * @param size       how many bytes
 * @return 0; -EFAULT the program may not write all of them: some may have been written; -EAGAIN outside of a handler: the computer is
 *         paused; -EALREADY, -ESRCH, -EINVAL, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_hypercall_write(viso_hypercall *hypercall, uint64_t address, const void *data, size_t size);

/**
 * Let the program's thread wait: the hypercall is answered later. For a handler, which must have taken a reference: what nobody can
 * answer gives the program ENOSYS. Where a signal handler of the program's interrupts the wait, it gets EINTR, and the answer -ESRCH.
 *
 * @param hypercall  a hypercall
 * @return 0; -EINVAL also outside of a handler, -EALREADY it is deferred or answered, -EMFILE, -ENFILE, -ENOMEM, -ECHILD.
 * Threads: that of the handler.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_hypercall_defer(viso_hypercall *hypercall);

/**
 * Answer a hypercall that was queued or deferred.
 *
 * @param hypercall  a hypercall
 * @param value      what the program gets; not -4095 to -1
 * @return 0; -EINVAL also not deferred, -EALREADY it was answered, -ESRCH the program waits no longer, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_hypercall_answer(viso_hypercall *hypercall, int64_t value);

/**
 * Answer it with an errno.
 *
 * @param hypercall  a hypercall
 * @param error      1 to 4095
 * @return 0; -EINVAL, -EALREADY, -ESRCH, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_hypercall_refuse(viso_hypercall *hypercall, int error);

VISO_END_DECLS

#endif
