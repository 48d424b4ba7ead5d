/* SPDX-License-Identifier: MIT */
/* Calling functions of a program that waits in viso_ready(). */
#include <virtiso/guest_calls.h>

#include <errno.h>
#include <sys/mman.h>

#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>

#include "core/error.h"
#include "core/hot.h"
#include "guest/contained/resident.h"
#include "guest/device/doorbell.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/kernel/kernel.h"
#include "guest/memory/fault.h"

enum { ARGUMENTS_MAX = 6, BYTES_MAX = 16 << 20 };

static int check_call(struct instance *instance, const char *function)
{
	if (instance->stay.state != STAY_READY)
		return error_argument(function, "the guest's program does not wait in viso_ready(); send it a request");
	return 0;
}

HOT static int find(struct instance *instance, const char *symbol, uint64_t *out_address)
{
	int r = symbol_find(&instance->stay.symbols, instance->stay.task->program->space, symbol, out_address);
	if (r < 0)
		return error_memory();
	if (*out_address)
		return 0;
	return error_fail(VISO_STAGE_GUEST, ENOENT, symbol,
			  "the guest's program has no function %s: it must be in a symbol table of it or of a library "
			  "that it has "
			  "loaded (link with -rdynamic, or do not strip it)",
			  symbol);
}

/* Each page that a call would touch first costs an exit; once it is there a reset leaves it. */
static int make_stack(struct stay *stay)
{
	const uint8_t none[16] = {0};
	if (!stay->has_stack &&
	    space_write(stay->task->program->space, stay->stack - sizeof(none), none, sizeof(none)) < 0)
		return -ENOMEM;
	stay->has_stack = true;
	return 0;
}

/* System V ABI, AMD64 supplement, "The Stack Frame": before a function is called the stack is aligned to 16 bytes. */
HOT static int run_function(struct viso_guest *guest, struct instance *instance, uint64_t address,
			    const uint64_t args[ARGUMENTS_MAX], int timeout_ms, const char *function)
{
	struct stay *stay = &instance->stay;
	if (make_stack(stay) < 0)
		return error_fail(VISO_STAGE_GUEST, ENOMEM, function, "the guest has no stack for calls any more");
	vcpu_set_call(stay->task->program->vcpu, address, stay->stack - 16, args);
	stay->state = STAY_CALLED;
	return guest_run_taken(guest, instance, timeout_ms, function);
}

HOT static int call(struct viso_guest *guest, struct instance *instance, const char *symbol, const uint64_t *args,
		    size_t count, int timeout_ms, const char *function)
{
	uint64_t address, all[ARGUMENTS_MAX] = {0};
	int r = check_call(instance, function);
	if (r == 0)
		r = find(instance, symbol, &address);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		all[i] = args[i];
	return run_function(guest, instance, address, all, timeout_ms, function);
}

bool guest_is_elsewhere(const struct viso_guest *guest)
{
	return guest && (guest->kernel || guest->placement == VISO_PLACEMENT_CONTAINED);
}

int64_t guest_call_elsewhere(struct viso_guest *guest, const struct doorbell_request *request, const char *function)
{
	return guest->kernel ? guest->kernel->ops->call(guest, request, function)
			     : resident_call(guest, request, function);
}

static int check_timeout(int timeout_ms, const char *function)
{
	return timeout_ms < -1 ? error_argument(function, "the time limit is negative; -1 is for none") : 0;
}

/* Not here: in a process of its own, or of a computer, where its system says what is a function (virtiso/doorbell.h).
 */
static int call_elsewhere(viso_guest *guest, const char *symbol, const uint64_t *args, size_t count, int timeout_ms,
			  uint64_t *out_value, const char *function)
{
	struct doorbell_request request = {
		.kind = VISO_REQUEST_CALL, .name = symbol, .timeout_ms = timeout_ms, .number = out_value};
	for (size_t i = 0; i < count; i++)
		request.args[i] = args[i];
	int64_t r = guest_call_elsewhere(guest, &request, function);
	return r < 0 ? (int)r : 0;
}

HOT int viso_guest_call(viso_guest *guest, const char *symbol, const uint64_t *args, size_t count, int timeout_ms,
			uint64_t *out_value)
{
	struct instance *instance;
	if (!symbol || (count && !args))
		return error_argument(__func__, "the name or the arguments are NULL");
	if (count > ARGUMENTS_MAX)
		return error_argument(__func__, "more than six arguments");
	int r = check_timeout(timeout_ms, __func__);
	if (r == 0 && guest_is_elsewhere(guest))
		return call_elsewhere(guest, symbol, args, count, timeout_ms, out_value, __func__);
	if (r == 0)
		r = guest_take(guest, true, false, __func__, &instance);
	if (r < 0)
		return r;
	r = call(guest, instance, symbol, args, count, timeout_ms, __func__);
	r = (int)guest_end_call(guest, instance, r, __func__);
	if (r == 0 && out_value)
		*out_value = instance->stay.value;
	guest_give_back(guest);
	return r;
}

static bool is_buffer(struct address_space *space, uint64_t start, uint64_t end)
{
	const struct area *area = space_find(space, start);
	return area && area->end >= end && !area->file && area->protection == (PROT_READ | PROT_WRITE);
}

/* Memory for the bytes of a call, which stays for the next one. The program may have unmapped it meanwhile. */
static int make_buffers(struct stay *stay, struct address_space *space, uint64_t size)
{
	if (stay->buffers && size <= stay->buffers_size && is_buffer(space, stay->buffers, stay->buffers + size))
		return 0;
	if (stay->buffers && is_buffer(space, stay->buffers, stay->buffers + stay->buffers_size))
		space_unmap(space, stay->buffers, stay->buffers + stay->buffers_size);
	stay->buffers = stay->buffers_size = 0;
	uint64_t start = space_choose(space, 0, size);
	struct area area = {.start = start, .end = start + size, .protection = PROT_READ | PROT_WRITE};
	if (!start || space_map(space, &area) < 0)
		return -ENOMEM;
	stay->buffers = start;
	stay->buffers_size = size;
	return 0;
}

static uint64_t page_up(uint64_t size)
{
	return (size + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
}

struct bytes {
	const void *in;
	size_t in_size;
	void *out;
	size_t out_max;
};

static int64_t call_with_bytes(struct viso_guest *guest, struct instance *instance, const char *symbol,
			       const struct bytes *bytes, int timeout_ms, const char *function)
{
	uint64_t address;
	struct stay *stay = &instance->stay;
	int r = check_call(instance, function);
	if (r == 0)
		r = find(instance, symbol, &address);
	if (r < 0)
		return r;
	struct address_space *space = stay->task->program->space;
	uint64_t in_room = page_up(bytes->in_size ? bytes->in_size : 1),
		 out_room = page_up(bytes->out_max ? bytes->out_max : 1);
	if (make_buffers(stay, space, in_room + out_room) < 0 ||
	    space_write(space, stay->buffers, bytes->in, bytes->in_size) < 0)
		return error_fail(VISO_STAGE_GUEST, ENOMEM, function,
				  "the guest has no memory for the bytes of the call");
	const uint64_t out = stay->buffers + in_room;
	const uint64_t args[ARGUMENTS_MAX] = {stay->buffers, bytes->in_size, out, bytes->out_max};
	r = run_function(guest, instance, address, args, timeout_ms, function);
	if (r < 0)
		return r;
	if ((int64_t)stay->value < 0)
		return error_fail(VISO_STAGE_GUEST, EREMOTEIO, symbol, "%s in the guest failed: it returned %lld",
				  symbol, (long long)stay->value);
	if (stay->value > bytes->out_max)
		return error_fail(VISO_STAGE_GUEST, EREMOTEIO, symbol,
				  "%s in the guest returned %lld bytes; there is room for %zu", symbol,
				  (long long)stay->value, bytes->out_max);
	/* The function may have executed another program. */
	space = stay->task->program->space;
	if (!space_can_read(space, out, stay->value) || space_read(space, bytes->out, out, stay->value) < 0)
		return error_fail(VISO_STAGE_GUEST, EREMOTEIO, symbol, "%s has unmapped the memory of its answer",
				  symbol);
	return (int64_t)stay->value;
}

int64_t viso_guest_call_bytes(viso_guest *guest, const char *symbol, const void *in, size_t in_size, void *out,
			      size_t out_max, int timeout_ms)
{
	struct instance *instance;
	const struct bytes bytes = {in, in_size, out, out_max};
	if (!symbol || (in_size && !in) || (out_max && !out))
		return error_argument(__func__, "the name or a buffer is NULL");
	if (in_size > BYTES_MAX || out_max > BYTES_MAX)
		return error_argument(__func__, "more than 16 MiB");
	int r = check_timeout(timeout_ms, __func__);
	if (r == 0 && guest_is_elsewhere(guest)) {
		const struct doorbell_request request = {.kind = VISO_REQUEST_CALL_BYTES,
							 .name = symbol,
							 .in = in,
							 .in_size = in_size,
							 .out = out,
							 .out_max = out_max,
							 .timeout_ms = timeout_ms};
		return guest_call_elsewhere(guest, &request, __func__);
	}
	if (r == 0)
		r = guest_take(guest, true, false, __func__, &instance);
	if (r < 0)
		return r;
	int64_t n = call_with_bytes(guest, instance, symbol, &bytes, timeout_ms, __func__);
	n = guest_end_call(guest, instance, n, __func__);
	guest_give_back(guest);
	return n;
}
