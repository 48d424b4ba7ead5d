/* SPDX-License-Identifier: MIT */
/* Requests to a program that waits in viso_receive(), or in a read(2) from /dev/virtiso. */
#include <virtiso/guest_calls.h>

#include <errno.h>

#include "core/error.h"
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

static int64_t ask(struct viso_guest *guest, struct instance *instance, int timeout_ms, const char *function)
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
		return error_fail(VISO_STAGE_GUEST, EMSGSIZE, function, "%s: the answer is longer than %zu bytes",
				  function, stay->answer_max);
	return (int64_t)stay->answer_size;
}

int64_t viso_guest_request(viso_guest *guest, const void *in, size_t in_size, void *out, size_t out_max, int timeout_ms)
{
	struct instance *instance;
	if ((in_size && !in) || (out_max && !out))
		return error_argument(__func__, "a buffer is NULL");
	if (in_size > BYTES_MAX)
		return error_argument(__func__, "more than 16 MiB");
	if (timeout_ms < -1)
		return error_argument(__func__, "the time limit is negative; -1 is for none");
	int r = guest_take(guest, true, false, __func__, &instance);
	if (r < 0)
		return r;
	struct stay *stay = &instance->stay;
	stay->has_request = true;
	stay->request = in;
	stay->request_size = in_size;
	stay->request_read = 0;
	stay->answer = out;
	stay->answer_max = out_max;
	stay->answer_size = 0;
	stay->error = 0;
	int64_t n = ask(guest, instance, timeout_ms, __func__);
	stay->has_request = false;
	stay->request = NULL;
	stay->answer = NULL;
	guest_give_back(guest);
	return n;
}
