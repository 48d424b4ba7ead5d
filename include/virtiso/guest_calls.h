/* SPDX-License-Identifier: MIT */
/**
 * @file guest_calls.h
 * A guest that stays: its program is run until it is ready, then the host calls functions of it or sends it requests.
 *
 * The program says that it is ready by viso_ready() or viso_receive() of <virtiso/hypercall.h>, or by reading from /dev/virtiso, which
 * any program can do, an interpreter or a shell too. Then
 *
 *  - viso_guest_call() calls a function by its name, with numbers, and viso_guest_call_bytes() with bytes in and out. The function
 *    runs on a stack of its own in the first thread's place; where other threads of the program have work to do, they run meanwhile.
 *    For that the program waits in viso_ready();
 *  - viso_guest_request() hands bytes to viso_receive() or a read(2) from /dev/virtiso, and gets those that the program answers with
 *    by viso_reply() or one write(2) there.
 *
 * A program in C for it is linked statically, and put into the root by viso_root_add_file(); or as usual, with -rdynamic or not stripped,
 * and put there with its libraries by viso_root_add_program(), under its path on the host.
 *
 * Between two of these nothing of the guest runs, its other threads neither.
 *
 * A function that is called returns: one that leaves by longjmp(3) or an exception goes on in the first thread's place, and the call
 * ends by its time limit, where the program ends, or never. viso_ready() and viso_receive() in it give EBUSY. Signal handlers run on its
 * stack, and what it does by system calls and hypercalls is served as always.
 *
 * viso_receive() gives a whole request. By read(2) it can be taken in pieces; where it has been read, read(2) gives 0 until it is
 * answered. Each write(2) is an answer, also one of no bytes; a second one to the same request gives EINVAL. Whoever calls viso_receive()
 * again without an answer has answered with no bytes. The host goes on as soon as there is an answer: what the program does after it, up to
 * where it receives again, it does with the next request.
 *
 * A computer (viso_guest_boot()) on VISO_PLATFORM_MICROVM is called likewise, from when it is switched on: its system takes requests and
 * calls by the interrupt and the slots of <virtiso/doorbell.h>, and answers by the doorbell. What a function's name means is its own
 * matter. Up to 16 at a time, with at most 8064 bytes each way. Nothing is poisoned by one that was cancelled or whose time is over; where
 * the system has taken it and never answers, its slot is lost. One that has no driver for it lets the time go by.
 *
 * With VISO_PLACEMENT_CONTAINED the program stays in the process that serves it, and each call is a hand-over to that and back; handlers of
 * hypercalls run in the thread that calls, as always. A call whose time is over ends two seconds later all the same where that process does
 * not answer, one without a time limit by viso_guest_cancel() alone; the limit of CPU time of the initialisation is kept by that process.
 * Where it says what makes no sense, or has ended, the guest is poisoned as by a crash: -EFAULT, with VISO_REASON_GUEST_FAULT. The answer
 * to a request has at most 16 MiB there.
 *
 * One call or request of a program at a time. Where the program crashes, its time is over, it ends, or it is cancelled, the guest is
 * poisoned: further calls give -EIO until viso_guest_reset(), or for ever where there is no snapshot.
 */
#ifndef VIRTISO_GUEST_CALLS_H
#define VIRTISO_GUEST_CALLS_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/guest.h>

VISO_BEGIN_DECLS

/**
 * Run a command until it is ready. Its time limits are those of the initialisation; its standard streams stay.
 *
 * @param guest       a guest with a root, not initialised yet
 * @param command     the command; VISO_STDIO_PIPE is refused
 * @param out_result  where it is put how the program ended, where it did so before it was ready, owned by the caller; else
 *                    untouched; NULL where it is not wanted
 * @return 0 once it is ready; -ESRCH it ended before, also where its time was over: the result tells; -ECANCELED by viso_guest_cancel() or
 *         viso_sandbox_kill(), with a result too; or a negative errno as viso_sandbox_run(), -EALREADY it was initialised.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_initialise(viso_guest *guest, const viso_command *command, viso_result **out_result);

/**
 * Call a function of the program: `uint64_t function(uint64_t, …)`, with up to six arguments.
 *
 * @param guest       an initialised guest whose program waits in viso_ready(); or a computer
 * @param symbol      its name, in the symbol table or dynamic symbol table of the executable or a library that it has loaded; of a
 *                    computer, at most 127 bytes
 * @param args        the arguments; may be NULL where `count` is 0
 * @param count       how many, at most 6
 * @param timeout_ms  milliseconds of wall-clock time; -1 for no limit
 * @param out_value   where what it returns is put; untouched on failure; NULL where it is not wanted
 * @return 0; -EINVAL also not initialised, -ENOENT no such symbol, -EBUSY a call is on its way, or 16 of a computer (those that its system
 *         has taken and never answered among them), or this is in a handler of the guest's own, -ETIMEDOUT, -ECANCELED by
 *         viso_guest_cancel() or viso_sandbox_kill(), -EFAULT it crashed, -ESRCH it ended, -ENOMEM also the guest's memory, -EDQUOT its
 *         system calls are used up (these five have poisoned it: viso_guest_last_result() tells more), -EIO it was poisoned before,
 *         -ESTALE, -ECHILD. Of a computer also: -ESRCH it is switched off, -EREMOTEIO its system refused it, -EOPNOTSUPP it is a PC, or in
 *         a container.
 * Threads: any, one at a time; of a computer several.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_call(viso_guest *guest, const char *symbol, const uint64_t *args, size_t count, int timeout_ms,
						  uint64_t *out_value);

/**
 * Call a function of the program with bytes: `int64_t function(const void *in, size_t in_size, void *out, size_t out_max)`, which
 * returns how many bytes it has put to `out`, or a negative number.
 *
 * @param guest       as above
 * @param symbol      as above
 * @param in          what it is given, copied into the guest; may be NULL where `in_size` is 0
 * @param in_size     how many bytes, at most 16 MiB
 * @param out         where its answer is put; may be NULL where `out_max` is 0; untouched on failure
 * @param out_max     how many bytes fit, at most 16 MiB
 * @param timeout_ms  as above
 * @return how many bytes were put to `out`; or a negative errno as viso_guest_call(), -EREMOTEIO the function returned a negative
 *         number, or one beyond `out_max`; of a computer -EMSGSIZE more bytes than it takes or there is room for.
 * Threads: any, one at a time; of a computer several.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int64_t viso_guest_call_bytes(viso_guest *guest, const char *symbol, const void *in, size_t in_size, void *out,
							    size_t out_max, int timeout_ms);

/**
 * Send the program a request and wait for its answer.
 *
 * @param guest       an initialised guest whose program waits in viso_receive() or in a read(2) from /dev/virtiso; or a computer
 * @param in          the request; may be NULL where `in_size` is 0
 * @param in_size     how many bytes, at most 16 MiB
 * @param out         where the answer is put; may be NULL where `out_max` is 0; untouched on failure
 * @param out_max     how many bytes fit
 * @param timeout_ms  milliseconds of wall-clock time; -1 for no limit
 * @return how many bytes were put to `out`; or a negative errno as viso_guest_call(), -EMSGSIZE the answer is longer than `out_max` (the
 *         program's viso_reply() or write(2) gives it EMSGSIZE, with which it goes on at the next request), or the program's buffer, the
 *         ring, or a computer's slot, too small for the request.
 * Threads: any, one at a time; of a computer several.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int64_t viso_guest_request(viso_guest *guest, const void *in, size_t in_size, void *out, size_t out_max,
							 int timeout_ms);

/**
 * Cancel the call or request that is on its way, or the initialisation; of a computer, all that are. It fails with -ECANCELED.
 *
 * @param guest  a guest
 * @return 1 where one was on its way, else 0, also where its answer has come already and is being handed over: it succeeds then;
 *         -EINVAL, -ESTALE, -ECHILD.
 * Threads: any at any time.
 * Since: 0.4
 */
VISO_PUBLIC int viso_guest_cancel(viso_guest *guest);

/**
 * How the program ended that has poisoned the guest. Wall-clock time and memory are those since its start; of CPU time and page faults only
 * those until it was ready are counted.
 *
 * @param guest       a guest
 * @param out_result  where it is put, owned by the caller; untouched on failure
 * @return 0; -ENODATA it is not poisoned, -EINVAL, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_last_result(viso_guest *guest, viso_result **out_result);

/**
 * Let hypercalls, and requests with their answers, go through a ring in memory that guest and host share, without an exit of the virtual
 * machine, where both sides are at it at the time. The program takes part by viso_ring_open() and viso_ring_hypercall(), or
 * viso_ring_receive() and viso_ring_reply(), of <virtiso/hypercall.h>. A side that has looked in vain for `poll_us` goes to sleep, or rings
 * the doorbell by an exit, which serves what is there and wakes the other. It pays where a processor is free for each side; else the
 * doorbell does the work.
 *
 * A thread of the library looks for hypercalls, and runs their handlers. Another one runs a guest whose program waits in
 * viso_ring_receive(), from a request on until it has had nothing to do for `poll_us` or 10 milliseconds, whichever is longer: until then
 * the guest's other threads run, too, and handlers may be called while no request is on its way. In these viso_guest_request() and the like
 * give -EBUSY. viso_guest_request() takes at most 16376 bytes then, and as many come back; its number of system calls is counted from one
 * request to the next, and the program may end between two, which the second one tells by -EIO. viso_guest_call() goes by an exit as
 * always: the program's registers must be changed for it.
 *
 * In a computer, calls and requests go so, by the doorbell (VISO_DOORBELL_POLLING of <virtiso/doorbell.h>): whoever asks looks for the
 * answer for `poll_us` before it sleeps, and the guest rings for none that comes meanwhile. Hypercalls go by an exit as always. The rest of
 * what is said here is about programs.
 *
 * A guest that has opened its ring cannot be frozen; a clone of one that has not can open its own.
 *
 * @param guest    a guest that has not run anything
 * @param poll_us  how long a side looks before it sleeps, microseconds, 1 to 100000; 0 turns it off, as it is without this call
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -EOPNOTSUPP the guest is placed in a container.
 * Threads: one handle from one thread at a time.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_ring(viso_guest *guest, unsigned poll_us);

VISO_END_DECLS

#endif
