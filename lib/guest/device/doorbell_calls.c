/* SPDX-License-Identifier: MIT */
/*
 * The guest calls: from the block that it has submitted to the answer in it. To the host program a call is a
 * viso_hypercall as those of programs, with what it does to it by struct hypercall_far. Handlers run in the thread of
 * the processor that rings, without the lock; the computer may be paused, or end, meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/contact/hypercall.h"
#include "guest/device/doorbell_inside.h"
#include "guest/guest.h"

static volatile struct viso_doorbell_call *block_of(const struct doorbell *doorbell, unsigned index)
{
	return &doorbell->pages->calls[index];
}

static void put_answer(struct doorbell *doorbell, unsigned index, int64_t value)
{
	block_of(doorbell, index)->value = value;
	__atomic_store_n(&block_of(doorbell, index)->state, (uint32_t)VISO_CALL_DONE, __ATOMIC_RELEASE);
}

/* The guest does not wait for the answer by its ringing: it is told. */
static void put_late_answer(struct doorbell *doorbell, unsigned index, int64_t value)
{
	put_answer(doorbell, index, value);
	interrupt_pulse(&doorbell->interrupt);
}

/* The answer of a call that is on its way. With the lock held. */
static void settle(struct doorbell *doorbell, viso_hypercall *hypercall, int64_t value)
{
	struct doorbell_call *call = &doorbell->calls[hypercall->id];
	hypercall->is_answered = true;
	call->hypercall = NULL;
	if (doorbell->is_paused) {
		call->has_answer = true;
		call->answer = value;
		return;
	}
	if (hypercall->is_deferred || doorbell->apart.access)
		put_late_answer(doorbell, (unsigned)hypercall->id, value);
	else
		put_answer(doorbell, (unsigned)hypercall->id, value);
}

/* With the lock held. */
static int check_waiting(const viso_hypercall *hypercall)
{
	const struct doorbell *doorbell = hypercall->link;
	if (hypercall->is_answered)
		return -EALREADY;
	return doorbell->calls[hypercall->id].hypercall == hypercall ? 0 : -ESRCH;
}

/* A handler waits; others may be those who would let the computer go on. With the lock held. */
static int await_memory(struct doorbell *doorbell, const viso_hypercall *hypercall)
{
	if (doorbell->is_paused && !(hypercall->in_handler && pthread_equal(hypercall->thread, pthread_self())))
		return -EAGAIN;
	while (doorbell->is_paused && !doorbell->is_closed)
		pthread_cond_wait(&doorbell->changed, &doorbell->lock);
	return check_waiting(hypercall);
}

static bool is_in_pages(const struct doorbell *doorbell, uint64_t address)
{
	return address >= doorbell->address && address - doorbell->address < DOORBELL_SIZE;
}

/* The bytes at a physical address: of the pages, or of memory. */
static bool copy(struct doorbell *doorbell, uint64_t address, void *buffer, size_t size, bool writes)
{
	uint64_t offset = address - doorbell->address;
	if (!is_in_pages(doorbell, address))
		return writes ? ram_write(&doorbell->ram, address, buffer, size)
			      : ram_read(&doorbell->ram, address, buffer, size);
	if (size > DOORBELL_SIZE - offset)
		return false;
	uint8_t *bytes = (uint8_t *)doorbell->pages + offset;
	memcpy(writes ? bytes : buffer, writes ? buffer : bytes, size);
	return true;
}

static int access_call(viso_hypercall *hypercall, uint64_t address, void *buffer, size_t size, bool writes)
{
	struct doorbell *doorbell = hypercall->link;
	pthread_mutex_lock(&doorbell->lock);
	int r = check_waiting(hypercall);
	if (r == 0 && writes)
		r = await_memory(doorbell, hypercall);
	const bool is_apart = r == 0 && doorbell->apart.access && !is_in_pages(doorbell, address);
	if (r == 0 && !is_apart && !copy(doorbell, address, buffer, size, writes))
		r = -EFAULT;
	pthread_mutex_unlock(&doorbell->lock);
	return is_apart ? doorbell->apart.access(doorbell->apart.data, address, buffer, size, writes) : r;
}

static int defer_call(viso_hypercall *hypercall)
{
	struct doorbell *doorbell = hypercall->link;
	pthread_mutex_lock(&doorbell->lock);
	int r = hypercall->is_deferred ? -EALREADY : check_waiting(hypercall);
	if (r == 0)
		hypercall->is_deferred = true;
	pthread_mutex_unlock(&doorbell->lock);
	return r;
}

static int settle_call(viso_hypercall *hypercall, int64_t value)
{
	struct doorbell *doorbell = hypercall->link;
	pthread_mutex_lock(&doorbell->lock);
	int r = check_waiting(hypercall);
	if (r == 0 && !hypercall->is_deferred)
		r = -EINVAL;
	if (r == 0)
		settle(doorbell, hypercall, value);
	pthread_mutex_unlock(&doorbell->lock);
	return r;
}

/* Nobody has it who could answer. */
static void release_call(viso_hypercall *hypercall)
{
	struct doorbell *doorbell = hypercall->link;
	pthread_mutex_lock(&doorbell->lock);
	if (check_waiting(hypercall) == 0)
		settle(doorbell, hypercall, -ENOSYS);
	pthread_mutex_unlock(&doorbell->lock);
	doorbell_unref(doorbell);
	free(hypercall);
}

static const struct hypercall_far call_ops = {
	.access = access_call,
	.defer = defer_call,
	.settle = settle_call,
	.release = release_call,
};

/* With the lock held. NULL for want of memory. */
static viso_hypercall *call_new(struct doorbell *doorbell, unsigned index, uint32_t number)
{
	volatile const struct viso_doorbell_call *block = block_of(doorbell, index);
	viso_hypercall *hypercall = calloc(1, sizeof(*hypercall));
	if (!hypercall)
		return NULL;
	atomic_init(&hypercall->handle.references, 1);
	hypercall->handle.owner = doorbell->guest->sandbox.handle.owner;
	hypercall->far = &call_ops;
	hypercall->link = doorbell_ref(doorbell);
	hypercall->id = index;
	hypercall->number = number;
	for (int i = 0; i < 6; i++)
		hypercall->args[i] = block->args[i];
	hypercall->answer_fd = -1;
	doorbell->calls[index].hypercall = hypercall;
	return hypercall;
}

/* Whether the guest has submitted a call there, of which the host knows nothing yet. With the lock held. */
static bool take(struct doorbell *doorbell, unsigned index)
{
	uint32_t submitted = VISO_CALL_SUBMITTED;
	const struct doorbell_call *call = &doorbell->calls[index];
	if (doorbell->is_closed || call->hypercall || call->has_answer)
		return false;
	if (!__atomic_compare_exchange_n(&block_of(doorbell, index)->state, &submitted, (uint32_t)VISO_CALL_TAKEN,
					 false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	doorbell_goes_on(doorbell);
	return true;
}

/*
 * With the lock held: a call that is to be handed to its handler, with a reference to that; NULL where there is none,
 * or nobody is asked.
 */
static viso_hypercall *begin(struct doorbell *doorbell, unsigned index, struct hypercall_handler **out_handler)
{
	if (!take(doorbell, index))
		return NULL;
	const uint32_t number = block_of(doorbell, index)->number;
	struct hypercall_handler *handler = hypercalls_find(doorbell->guest, number);
	viso_hypercall *hypercall = handler ? call_new(doorbell, index, number) : NULL;
	if (!hypercall) {
		(doorbell->apart.access ? put_late_answer : put_answer)(doorbell, index, handler ? -ENOMEM : -ENOSYS);
		return NULL;
	}
	if (handler->function) {
		hypercall->in_handler = true;
		hypercall->thread = pthread_self();
		*out_handler = hypercall_handler_ref(handler);
		return hypercall;
	}
	hypercall->is_deferred = true;
	/* From here on it may be answered, and be gone. */
	hypercalls_enqueue(&doorbell->guest->hypercalls, hypercall);
	return NULL;
}

void doorbell_ring_call(struct doorbell *doorbell, unsigned index)
{
	struct hypercall_handler *handler = NULL;
	pthread_mutex_lock(&doorbell->lock);
	const struct viso_guest *guest = doorbell->guest;
	viso_hypercall *hypercall = begin(doorbell, index, &handler);
	pthread_mutex_unlock(&doorbell->lock);
	if (!hypercall)
		return;
	/* The guest may be gone when the handler returns. */
	doorbell->processor.leave();
	int64_t value = hypercall_call(guest, handler, hypercall);
	hypercall_handler_unref(handler, true);
	doorbell->processor.back();
	pthread_mutex_lock(&doorbell->lock);
	hypercall->in_handler = false;
	if (!hypercall->is_deferred && check_waiting(hypercall) == 0)
		settle(doorbell, hypercall, value);
	pthread_mutex_unlock(&doorbell->lock);
	viso_hypercall_unref(hypercall);
}

void doorbell_resume_calls(struct doorbell *doorbell)
{
	for (unsigned i = 0; i < VISO_DOORBELL_CALL_COUNT; i++) {
		struct doorbell_call *call = &doorbell->calls[i];
		if (!call->has_answer)
			continue;
		call->has_answer = false;
		put_late_answer(doorbell, i, call->answer);
	}
}

unsigned doorbell_close_calls(struct doorbell *doorbell, viso_hypercall *out[VISO_DOORBELL_CALL_COUNT])
{
	unsigned count = 0;
	for (unsigned i = 0; i < VISO_DOORBELL_CALL_COUNT; i++) {
		viso_hypercall *hypercall = doorbell->calls[i].hypercall;
		doorbell->calls[i].hypercall = NULL;
		if (hypercall && hypercalls_dequeue(&doorbell->guest->hypercalls, hypercall))
			out[count++] = hypercall;
	}
	return count;
}
