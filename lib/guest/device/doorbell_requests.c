/* SPDX-License-Identifier: MIT */
/*
 * The host calls: each request has a slot from when it is posted until its answer was taken. A slot whose request was
 * given up while the guest was at it is used again once the guest has answered, so that an answer is never taken for
 * that to another request.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "guest/device/doorbell_inside.h"
#include "guest/vm/kick.h"

static volatile struct viso_doorbell_request *place_of(const struct doorbell *doorbell, unsigned index)
{
	return &doorbell->pages->requests[index];
}

static uint32_t state_of(const struct doorbell *doorbell, unsigned index)
{
	return __atomic_load_n(&place_of(doorbell, index)->state, __ATOMIC_ACQUIRE);
}

/* The guest is not to begin with it any more: false where it has. With the lock held, and not while it is paused. */
static bool withdraw(struct doorbell *doorbell, unsigned index)
{
	uint32_t posted = VISO_REQUEST_POSTED;
	return __atomic_compare_exchange_n(&place_of(doorbell, index)->state, &posted, (uint32_t)VISO_REQUEST_FREE,
					   false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static bool can_be_used(const struct doorbell *doorbell, unsigned index)
{
	const uint32_t state = state_of(doorbell, index);
	const struct doorbell_slot *slot = &doorbell->slots[index];
	return slot->state == SLOT_FREE ||
	       (slot->state == SLOT_ABANDONED && (state == VISO_REQUEST_ANSWERED || state == VISO_REQUEST_FREE));
}

/* Its number, or -1. With the lock held. */
static int find_slot(const struct doorbell *doorbell)
{
	for (int i = 0; i < VISO_DOORBELL_REQUEST_COUNT; i++)
		if (can_be_used(doorbell, (unsigned)i))
			return i;
	return -1;
}

static uint32_t smaller(size_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

/* With the lock held. */
static void post(struct doorbell *doorbell, unsigned index, const struct doorbell_request *request)
{
	volatile struct viso_doorbell_request *place = place_of(doorbell, index);
	doorbell->slots[index] = (struct doorbell_slot){.state = SLOT_WAITED};
	place->kind = request->kind;
	for (int i = 0; i < 6; i++)
		place->args[i] = request->args[i];
	place->value = 0;
	place->request_size = (uint32_t)request->in_size;
	place->answer_size = place->error = 0;
	place->answer_max = smaller(request->out_max, VISO_DOORBELL_REQUEST_BYTES);
	place->timeout_ms = (uint32_t)request->timeout_ms;
	place->serial = ++doorbell->serial;
	memset((void *)place->name, 0, sizeof(place->name));
	if (request->name)
		memcpy((void *)place->name, request->name, strlen(request->name));
	if (request->in_size)
		memcpy((void *)place->request, request->in, request->in_size);
	__atomic_store_n(&place->state, (uint32_t)VISO_REQUEST_POSTED, __ATOMIC_RELEASE);
	__atomic_store_n(&doorbell->pages->head.posted, doorbell->serial, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&doorbell->pages->head.guest_polls, __ATOMIC_SEQ_CST))
		interrupt_pulse(&doorbell->interrupt);
}

/* With the lock held. */
static void mark_polled(struct doorbell *doorbell, unsigned index, bool is_polled)
{
	const uint32_t bit = 1u << index;
	doorbell->polls = is_polled ? doorbell->polls | bit : doorbell->polls & ~bit;
	__atomic_store_n(&doorbell->pages->head.host_polls, doorbell->polls, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* With the lock held. */
static bool is_decided(const struct doorbell *doorbell, unsigned index)
{
	const struct doorbell_slot *slot = &doorbell->slots[index];
	return slot->is_answered || slot->is_cancelled || doorbell->is_closed;
}

/* For so long that a lock that is taken in between does not matter. */
static void look(const struct doorbell *doorbell, unsigned index)
{
	enum { LOOKS = 500 };
	for (int i = 0; i < LOOKS && state_of(doorbell, index) != VISO_REQUEST_ANSWERED; i++)
		__builtin_ia32_pause();
}

/* With the lock held. */
static void hear(struct doorbell *doorbell, unsigned index)
{
	doorbell->slots[index].is_answered = true;
	doorbell_goes_on(doorbell);
}

/* Without sleeping; the guest need not ring meanwhile. With the lock held, but not all the time. */
static void poll_for_answer(struct doorbell *doorbell, unsigned index, int64_t deadline)
{
	const int64_t longest = clock_now(CLOCK_MONOTONIC) + doorbell->poll_ns;
	const int64_t until = longest < deadline ? longest : deadline;
	while (!is_decided(doorbell, index) && state_of(doorbell, index) != VISO_REQUEST_ANSWERED &&
	       clock_now(CLOCK_MONOTONIC) < until) {
		pthread_mutex_unlock(&doorbell->lock);
		look(doorbell, index);
		pthread_mutex_lock(&doorbell->lock);
	}
	mark_polled(doorbell, index, false);
	/* From here on it rings. */
	if (!is_decided(doorbell, index) && state_of(doorbell, index) == VISO_REQUEST_ANSWERED)
		hear(doorbell, index);
}

/* False where that time has come. With the lock held. */
static bool await_change(struct doorbell *doorbell, int64_t deadline)
{
	const struct timespec until = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
	if (deadline == INT64_MAX)
		return pthread_cond_wait(&doorbell->changed, &doorbell->lock) == 0;
	return pthread_cond_timedwait(&doorbell->changed, &doorbell->lock, &until) != ETIMEDOUT;
}

/* With the lock held; `error` has already happened. */
static int give_up(struct doorbell *doorbell, unsigned index, int error, const char *function)
{
	/* Of one that is paused it is done later. */
	bool is_withdrawn = !doorbell->is_paused && withdraw(doorbell, index);
	bool is_new = is_withdrawn || state_of(doorbell, index) == VISO_REQUEST_POSTED;
	doorbell->slots[index].state = is_withdrawn ? SLOT_FREE : SLOT_ABANDONED;
	if (error == ECANCELED)
		return error_fail(VISO_STAGE_GUEST, ECANCELED, function, "%s: it was cancelled", function);
	return error_fail(VISO_STAGE_GUEST, ETIMEDOUT, function,
			  is_new ? "%s: nobody in the guest has taken it in time; its system needs a driver (see "
				   "<virtiso/doorbell.h>)"
				 : "%s: the guest has not answered in time",
			  function);
}

static int fail_ended(const char *function)
{
	return error_fail(VISO_STAGE_GUEST, ESRCH, function, "%s: the computer is switched off", function);
}

/* What the guest says of its answer is read once. With the lock held. */
static int64_t take_answer(struct doorbell *doorbell, unsigned index, const struct doorbell_request *request,
			   const char *function)
{
	volatile const struct viso_doorbell_request *place = place_of(doorbell, index);
	const uint32_t error = place->error, size = request->kind == VISO_REQUEST_CALL ? 0 : place->answer_size;
	const uint32_t max = smaller(request->out_max, VISO_DOORBELL_REQUEST_BYTES);
	const uint64_t value = (uint64_t)place->value;
	doorbell->slots[index].state = SLOT_FREE;
	if (error == ENOENT && request->kind != VISO_REQUEST_BYTES)
		return error_fail(VISO_STAGE_GUEST, ENOENT, request->name, "the guest has no function %s",
				  request->name);
	if (error)
		return error_fail(VISO_STAGE_GUEST, EREMOTEIO, function, "%s: the guest refused it with error %u",
				  function, error);
	if (size > max)
		return error_fail(VISO_STAGE_GUEST, EMSGSIZE, function, "%s: the answer is longer than %u bytes",
				  function, max);
	if (size)
		memcpy(request->out, (const void *)place->answer, size);
	if (request->number)
		*request->number = value;
	return size;
}

/* With the lock held. */
static int64_t await_answer(struct doorbell *doorbell, unsigned index, const struct doorbell_request *request,
			    int64_t deadline, const char *function)
{
	struct doorbell_slot *slot = &doorbell->slots[index];
	bool is_late = false;
	while (!slot->is_answered && !slot->is_cancelled && !doorbell->is_closed && !is_late)
		is_late = !await_change(doorbell, deadline);
	if (slot->is_cancelled)
		return give_up(doorbell, index, ECANCELED, function);
	/* Whoever has only put the answer down, without ringing, is heard at last. */
	if (slot->is_answered || state_of(doorbell, index) == VISO_REQUEST_ANSWERED)
		return take_answer(doorbell, index, request, function);
	return doorbell->is_closed ? fail_ended(function) : give_up(doorbell, index, ETIMEDOUT, function);
}

/* With the lock held. */
static int64_t ask(struct doorbell *doorbell, const struct doorbell_request *request, int64_t deadline,
		   const char *function)
{
	bool is_late = false;
	while (doorbell->is_paused && !doorbell->is_closed && !is_late)
		is_late = !await_change(doorbell, deadline);
	if (doorbell->is_closed)
		return fail_ended(function);
	if (doorbell->is_paused)
		return error_fail(VISO_STAGE_GUEST, ETIMEDOUT, function, "%s: the computer is paused", function);
	int index = find_slot(doorbell);
	if (index < 0)
		return error_fail(VISO_STAGE_GUEST, EBUSY, function,
				  "%s: %d calls and requests are on their way, or the guest never answered so many",
				  function, VISO_DOORBELL_REQUEST_COUNT);
	if (doorbell->poll_ns)
		mark_polled(doorbell, (unsigned)index, true);
	post(doorbell, (unsigned)index, request);
	if (doorbell->poll_ns)
		poll_for_answer(doorbell, (unsigned)index, deadline);
	return await_answer(doorbell, (unsigned)index, request, deadline, function);
}

int64_t doorbell_ask(struct doorbell *doorbell, const struct doorbell_request *request, const char *function)
{
	int64_t deadline =
		request->timeout_ms < 0 ? INT64_MAX : clock_now(CLOCK_MONOTONIC) + request->timeout_ms * 1000000ll;
	if (request->in_size > VISO_DOORBELL_REQUEST_BYTES)
		return error_fail(VISO_STAGE_GUEST, EMSGSIZE, function, "%s: a computer takes at most %d bytes at once",
				  function, VISO_DOORBELL_REQUEST_BYTES);
	pthread_mutex_lock(&doorbell->lock);
	int64_t r = ask(doorbell, request, deadline, function);
	pthread_mutex_unlock(&doorbell->lock);
	return r;
}

bool doorbell_cancel(struct doorbell *doorbell)
{
	bool any = false;
	pthread_mutex_lock(&doorbell->lock);
	for (int i = 0; i < VISO_DOORBELL_REQUEST_COUNT && !doorbell->is_closed; i++) {
		struct doorbell_slot *slot = &doorbell->slots[i];
		bool waits = slot->state == SLOT_WAITED && !slot->is_answered;
		slot->is_cancelled |= waits;
		any |= waits;
	}
	pthread_cond_broadcast(&doorbell->changed);
	pthread_mutex_unlock(&doorbell->lock);
	return any;
}

void doorbell_ring_slot(struct doorbell *doorbell, unsigned index)
{
	const struct doorbell_slot *slot = &doorbell->slots[index];
	if (slot->state != SLOT_WAITED || slot->is_answered || slot->is_cancelled ||
	    state_of(doorbell, index) != VISO_REQUEST_ANSWERED)
		return;
	hear(doorbell, index);
	pthread_cond_broadcast(&doorbell->changed);
}

void doorbell_resume_slots(struct doorbell *doorbell)
{
	for (unsigned i = 0; i < VISO_DOORBELL_REQUEST_COUNT; i++)
		if (doorbell->slots[i].state == SLOT_ABANDONED && withdraw(doorbell, i))
			doorbell->slots[i].state = SLOT_FREE;
}
