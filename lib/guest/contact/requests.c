/* SPDX-License-Identifier: MIT */
/* Requests to a program that waits in viso_receive(), or in a read(2) from /dev/virtiso. */
#include <virtiso/guest_calls.h>

#include <errno.h>

#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>

#include "core/error.h"
#include "guest/contact/ring.h"
#include "guest/device/doorbell.h"
#include "guest/guest.h"
#include "guest/instance.h"

enum { BYTES_MAX = 16 << 20 };

/* The system call in which the task waits is made again, and finds the request. */
static void resume(struct instance *instance)
{
	struct stay *stay = &instance->stay;
	if (stay->state != STAY_RECEIVES)
		return;
	struct program *program = stay->task->program;
	*program->vcpu->regs = stay->regs;
	stay->state = STAY_ANSWERED;
	stay->task->again = true;
	program_serve(program);
}

static int64_t request(struct viso_guest *guest, struct instance *instance, int timeout_ms, const char *function)
{
	struct stay *stay = &instance->stay;
	if (stay->state != STAY_RECEIVES && stay->state != STAY_ANSWERED)
		return error_argument(
			function, "the guest's program does not receive requests; it waits in viso_ready() for calls");
	stay->leave = false;
	gate_lock(instance->gate);
	resume(instance);
	gate_unlock(instance->gate);
	int r = stay->leave ? 0 : guest_run_taken(guest, instance, timeout_ms, function);
	if (r < 0)
		return r;
	if (stay->error && stay->state == STAY_RECEIVES)
		return error_fail(VISO_STAGE_GUEST, EMSGSIZE, function,
				  "%s: the program's buffer is too small for %zu bytes", function, stay->request_size);
	if (stay->error)
		return error_fail(VISO_STAGE_GUEST, EMSGSIZE, function,
				  "%s: the answer is longer than %zu bytes; give it more room", function,
				  stay->answer_max);
	return (int64_t)stay->answer_size;
}

/* Through the ring, or by an exit, in which the program may find to the ring. */
static int64_t ask(struct viso_guest *guest, struct instance *instance, const struct ring_exchange *exchange,
		   const char *function)
{
	struct stay *stay = &instance->stay;
	int64_t begin = 0;
	if (stay->state != STAY_BY_RING) {
		begin = clock_now(CLOCK_MONOTONIC);
		stay->has_request = true;
		stay->request = exchange->in;
		stay->request_size = exchange->in_size;
		stay->request_read = 0;
		stay->answer = exchange->out;
		stay->answer_max = exchange->out_max;
		stay->answer_size = 0;
		stay->error = 0;
		int64_t n = request(guest, instance, exchange->timeout_ms, function);
		bool is_done = n < 0 || !stay->has_request;
		stay->has_request = false;
		stay->request = NULL;
		stay->answer = NULL;
		if (is_done || stay->state != STAY_BY_RING)
			return n;
	}
	return ring_request(guest, instance, exchange, begin, function);
}

int64_t viso_guest_request(viso_guest *guest, const void *in, size_t in_size, void *out, size_t out_max, int timeout_ms)
{
	struct instance *instance;
	const struct ring_exchange exchange = {in, in_size, out, out_max, timeout_ms};
	if ((in_size && !in) || (out_max && !out))
		return error_argument(__func__, "a buffer is NULL");
	if (in_size > BYTES_MAX)
		return error_argument(__func__, "more than 16 MiB");
	if (timeout_ms < -1)
		return error_argument(__func__, "the time limit is negative; -1 is for none");
	if (guest_is_elsewhere(guest)) {
		const struct doorbell_request asked = {.kind = VISO_REQUEST_BYTES,
						       .in = in,
						       .in_size = in_size,
						       .out = out,
						       .out_max = out_max,
						       .timeout_ms = timeout_ms};
		return guest_call_elsewhere(guest, &asked, __func__);
	}
	int r = guest_take_running(guest, __func__, &instance);
	if (r < 0)
		return r;
	int64_t n = ask(guest, instance, &exchange, __func__);
	n = guest_end_call(guest, instance, n, __func__);
	guest_give_back(guest);
	return n;
}
