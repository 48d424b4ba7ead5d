/* SPDX-License-Identifier: MIT */
/* The program's side of a guest that stays: it waits for the host, and returns and answers to it. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "core/hot.h"
#include "guest/contact/hypercalls.h"
#include "guest/contact/ring.h"
#include "guest/instance.h"
#include "guest/numbers.h"
#include "guest/program/calls.h"

/* The stack of calls is as large as that of the first thread may grow, up to this. */
static const uint64_t stack_max = 8u << 20;
static const uint64_t stack_least = 64u << 10;
static const uint64_t stack_guard = 64u << 10;

/* From here the host goes on, with the task's registers as they are now. */
static void wait_for_host(struct program *program, enum stay_state state)
{
	struct stay *stay = &program->instance->stay;
	stay->state = state;
	stay->task = program->task;
	stay->regs = *program->vcpu->regs;
	stay->bases[0] = vcpu_base(program->vcpu, false);
	stay->bases[1] = vcpu_base(program->vcpu, true);
	stay->leave = true;
}

static int make_call_stack(struct program *program)
{
	struct stay *stay = &program->instance->stay;
	struct address_space *space = program->space;
	uint64_t size = space->stack_limit < stack_max ? space->stack_limit & ~(GUEST_PAGE - 1) : stack_max;
	if (size < stack_least)
		size = stack_least;
	uint64_t start = space_choose(space, 0, size + stack_guard);
	struct area guard = {.start = start, .end = start + stack_guard, .protection = PROT_NONE};
	struct area stack = {
		.start = guard.end,
		.end = guard.end + size,
		.protection = PROT_READ | PROT_WRITE,
	};
	if (!start || space_map(space, &guard) < 0 || space_map(space, &stack) < 0)
		return -ENOMEM;
	/* Each page that a call would touch first costs an exit. */
	for (int i = 1; i <= 4; i++)
		if (space_fault(space, stack.end - (uint64_t)i * GUEST_PAGE, PROT_WRITE) < 0)
			return -ENOMEM;
	stay->stack = stack.end;
	return 0;
}

static int64_t ready(struct program *program)
{
	struct stay *stay = &program->instance->stay;
	/* A child would be called in memory that is not the one that the host knows. */
	if (stay->state == STAY_NOT || program != &program->instance->program)
		return -EINVAL;
	if (stay->state != STAY_STARTS)
		return -EBUSY;
	int r = make_call_stack(program);
	if (r == 0)
		wait_for_host(program, STAY_READY);
	return r;
}

/* The function that was called is done. Its registers are given up for those of the task. */
HOT static int64_t return_value(struct program *program, uint64_t value)
{
	struct stay *stay = &program->instance->stay;
	if (stay->state != STAY_CALLED || stay->task != program->task)
		return -EINVAL;
	stay->value = value;
	*program->vcpu->regs = stay->regs;
	vcpu_set_base(program->vcpu, false, stay->bases[0]);
	vcpu_set_base(program->vcpu, true, stay->bases[1]);
	stay->state = STAY_READY;
	stay->leave = true;
	return 0;
}

static void end_request(struct stay *stay, size_t size, int error)
{
	stay->answer_size = size;
	stay->error = error;
	stay->has_request = false;
	stay->state = STAY_ANSWERED;
	stay->leave = true;
}

/* Puts what is left of the request into the program's buffers. The number of bytes, or -EFAULT. */
static int64_t deliver(struct program *program, const struct iovec *parts, int count)
{
	struct stay *stay = &program->instance->stay;
	size_t total = 0;
	for (int i = 0; i < count; i++) {
		size_t left = stay->request_size - stay->request_read - total;
		size_t size = parts[i].iov_len < left ? parts[i].iov_len : left;
		if (size && space_write(program->space, (uintptr_t)parts[i].iov_base,
					stay->request + stay->request_read + total, size) < 0)
			return -EFAULT;
		total += size;
	}
	stay->request_read += total;
	stay->state = STAY_ASKED;
	stay->task = program->task;
	return (int64_t)total;
}

static size_t total_size(const struct iovec *parts, int count)
{
	size_t total = 0;
	for (int i = 0; i < count; i++)
		total += parts[i].iov_len;
	return total;
}

/* The task waits for a request, unless there is one already: then this call is being made again (guest_ask()), or the
 * host came first. */
static int64_t receive(struct program *program, const struct iovec *parts, int count, bool whole)
{
	struct stay *stay = &program->instance->stay;
	if (!stay->has_request) {
		wait_for_host(program, STAY_RECEIVES);
		return 0;
	}
	if (whole && total_size(parts, count) < stay->request_size) {
		wait_for_host(program, STAY_RECEIVES);
		stay->error = EMSGSIZE;
		return 0;
	}
	return deliver(program, parts, count);
}

static int check_receiver(struct program *program)
{
	switch (program->instance->stay.state) {
	case STAY_NOT:
		return -EINVAL;
	case STAY_READY:
	case STAY_CALLED:
	case STAY_BY_RING:
		return -EBUSY;
	default:
		return 0;
	}
}

static int64_t receive_whole(struct program *program, uint64_t address, uint64_t size)
{
	struct stay *stay = &program->instance->stay;
	int r = check_receiver(program);
	if (r < 0)
		return r;
	if (!space_is_user(address, size))
		return -EFAULT;
	/* Whoever asks for the next request without an answer had none to give. */
	if (stay->state == STAY_ASKED) {
		if (stay->task != program->task)
			return -EBUSY;
		end_request(stay, 0, 0);
		wait_for_host(program, STAY_RECEIVES);
		return 0;
	}
	struct iovec part = {(void *)(uintptr_t)address, size};
	return receive(program, &part, 1, true);
}

int64_t stay_read(struct program *program, const struct iovec *parts, int count)
{
	int r = check_receiver(program);
	if (r < 0)
		return r;
	/* A request is read in pieces at will, and ends as a file does. */
	if (program->instance->stay.state == STAY_ASKED)
		return deliver(program, parts, count);
	return receive(program, parts, count, false);
}

int64_t stay_write(struct program *program, const struct iovec *parts, int count)
{
	struct stay *stay = &program->instance->stay;
	size_t size = total_size(parts, count), done = 0;
	if (stay->state != STAY_ASKED)
		return -EINVAL;
	if (size > stay->answer_max) {
		end_request(stay, 0, EMSGSIZE);
		return -EMSGSIZE;
	}
	/* Before the host's buffer is touched. */
	for (int i = 0; i < count; i++)
		if (!space_can_read(program->space, (uintptr_t)parts[i].iov_base, parts[i].iov_len))
			return -EFAULT;
	for (int i = 0; i < count; done += parts[i].iov_len, i++)
		if (parts[i].iov_len &&
		    space_read(program->space, stay->answer + done, (uintptr_t)parts[i].iov_base, parts[i].iov_len) < 0)
			return -EFAULT;
	end_request(stay, size, 0);
	return (int64_t)size;
}

static int64_t reply(struct program *program, uint64_t address, uint64_t size)
{
	if (!space_is_user(address, size))
		return -EFAULT;
	struct iovec part = {(void *)(uintptr_t)address, size};
	int64_t n = stay_write(program, &part, 1);
	return n < 0 ? n : 0;
}

/* Made when it is asked for, since most clones never do. The program gets it as the result of a system call. */
static int64_t generation(struct instance *instance)
{
	while (instance->snapshot && instance->generation == 0) {
		uint64_t number;
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			return -errno;
		instance->generation = number & INT64_MAX;
	}
	return (int64_t)instance->generation;
}

/* The first one says that the program is initialised, or does without viso_receive() from now on: then the host goes on
 * with a request that it has already. */
static int64_t receive_by_ring(struct program *program, uint64_t received)
{
	struct stay *stay = &program->instance->stay;
	if (stay->state == STAY_BY_RING)
		return ring_receive(program, received);
	if (stay->state == STAY_NOT)
		return -EINVAL;
	if (stay->state != STAY_STARTS && stay->state != STAY_ANSWERED)
		return -EBUSY;
	int r = ring_begin_requests(program);
	if (r == 0) {
		stay->state = STAY_BY_RING;
		stay->leave = true;
	}
	return r;
}

HOT int64_t stay_serve(struct program *program, uint64_t number, const uint64_t args[6])
{
	/* The end of every call, which needs no table of jumps in a page that is cold by then. */
	if (number == VISO_HYPERCALL_RETURN)
		return return_value(program, args[0]);
	switch (number) {
	case VISO_HYPERCALL_READY:
		return ready(program);
	case VISO_HYPERCALL_RECEIVE:
		return receive_whole(program, args[0], args[1]);
	case VISO_HYPERCALL_REPLY:
		return reply(program, args[0], args[1]);
	case VISO_HYPERCALL_GENERATION:
		return generation(program->instance);
	case VISO_HYPERCALL_RING:
		return ring_open(program);
	case VISO_HYPERCALL_DOORBELL:
		return ring_serve(program);
	case VISO_HYPERCALL_RING_RECEIVE:
		return receive_by_ring(program, args[0]);
	case VISO_HYPERCALL_RING_REPLY:
		return ring_reply(program);
	default:
		return hypercall_serve(program, number, args);
	}
}
