/* SPDX-License-Identifier: MIT */
/*
 * A program that stays (guest_calls.h): it runs until it waits for the host in a hypercall, and goes on when the host
 * calls one of its functions or sends it a request. Between two of these nothing of the guest runs: the task that waits
 * is the one that ran last, so that its registers are those of the processor.
 */
#ifndef GUEST_CONTACT_STAY_H
#define GUEST_CONTACT_STAY_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <virtiso/result.h>

#include "guest/contact/symbols.h"

struct doorbell_request;
struct instance;
struct program;
struct task;
struct viso_guest;

enum stay_state {
	STAY_NOT,      /* it is run to its end, as any command */
	STAY_STARTS,   /* not ready yet */
	STAY_READY,    /* waits for calls */
	STAY_CALLED,   /* one is on its way */
	STAY_RECEIVES, /* waits for a request */
	STAY_ASKED,    /* has one, and has not answered it */
	STAY_ANSWERED, /* goes on with the next request, to where it receives it */
	STAY_BY_RING,  /* all requests go through the ring (ring_requests.c), which knows the rest */
};

/* Beside `state` and what the program's memory holds, all of it belongs to one call or can be found again. */
struct stay {
	enum stay_state state;
	bool leave;           /* the host's turn: instance_run_until() returns */
	struct task *task;    /* that waits, or waited before the call */
	struct kvm_regs regs; /* its registers there, RAX still the number of the system call */
	uint64_t bases[2];    /* FS and GS */
	uint64_t stack;       /* where that of calls ends; 0 before there is one */
	bool has_stack;       /* its first page is there */
	uint64_t buffers;     /* for call_bytes, with their size */
	uint64_t buffers_size;

	uint64_t value; /* of the call */
	bool has_request;
	const uint8_t *request;
	size_t request_size;
	size_t request_read; /* bytes of it that read(2) has given */
	uint8_t *answer;
	size_t answer_max;
	size_t answer_size;
	int error; /* of the request, a positive errno */

	struct symbol_cache symbols; /* the last: a reset leaves it */
};

/* Serves the library's own hypercalls (hypercall.h): those above VISO_HYPERCALL_MAX. */
int64_t stay_serve(struct program *program, uint64_t number, const uint64_t args[6]);

/* read(2) and write(2) of /dev/virtiso; the buffers are the guest's. */
int64_t stay_read(struct program *program, const struct iovec *parts, int count);
int64_t stay_write(struct program *program, const struct iovec *parts, int count);

void stay_release(struct stay *stay);

/*
 * The calling thread takes the initialised guest to itself, for a call or something else. 0 with the instance; -EINVAL,
 * -ECHILD, -ESTALE, -EBUSY or -EIO (poisoned), with the error set in the name of `function`. Then guest_give_back()
 * must follow.
 */
int guest_take(struct viso_guest *guest, bool for_call, bool poisoned_too, const char *function,
	       struct instance **out_instance);
void guest_give_back(struct viso_guest *guest);

/* The same for a call of a guest that stays in a process of its own (contained/resident.h). */
int guest_take_resident(struct viso_guest *guest, const char *function);

/* The errno of a call whose program has ended so: positive. */
int guest_errno_of_end(viso_reason reason);

/* As guest_take(), for a request by the ring, while whose guest may run. */
int guest_take_running(struct viso_guest *guest, const char *function, struct instance **out_instance);
bool guest_is_cancelled(struct viso_guest *guest);

/* It has been answered and can no longer be cancelled; false where it has been cancelled. */
bool guest_finish(struct viso_guest *guest);

/* After a taken guest has run, and while it does not: 0; or where it has ended the errno for that with the error set.
 */
int guest_check_ended(struct viso_guest *guest, struct instance *instance, const char *function);

/*
 * What a call gives that may have failed before its program ran: `r`, or -ECANCELED with the error set, and the program
 * has ended, where somebody was told that it has cancelled the call. Else that would end the next one.
 */
int64_t guest_end_call(struct viso_guest *guest, struct instance *instance, int64_t r, const char *function);

/*
 * Runs the program of a taken guest until it leaves to the host, at most until `timeout_ms` from now. 0; or where it
 * has ended the errno for that with the error set.
 */
int guest_run_taken(struct viso_guest *guest, struct instance *instance, int timeout_ms, const char *function);

/* Whether another process or a computer has what is called, by a request as of the doorbell. Takes NULL. */
bool guest_is_elsewhere(const struct viso_guest *guest);
int64_t guest_call_elsewhere(struct viso_guest *guest, const struct doorbell_request *request, const char *function);

/* For the sandbox: ends the guest that stays and frees it; signals it, 1 where there is one. */
void guest_close_initialised(struct viso_guest *guest);
int guest_signal_initialised(struct viso_guest *guest, int signal);

#endif
