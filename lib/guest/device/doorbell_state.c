/* SPDX-License-Identifier: MIT */
/*
 * A doorbell as bytes. Of those who waited for the other side nobody is there afterwards: requests of the host program
 * are taken back where the guest has not begun with them, and calls of the guest are made once more.
 */
#include <string.h>

#include "guest/device/doorbell_inside.h"

enum { PAGE = 4096, PAGES = DOORBELL_SIZE / PAGE };

_Static_assert(DOORBELL_SIZE % PAGE == 0, "whole pages");

static bool is_zero(const uint8_t *page)
{
	return !page[0] && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Each behind its number; the end is a number that none has. */
static void put_pages(const struct doorbell *doorbell, struct state_writer *out)
{
	const uint8_t *pages = (const uint8_t *)doorbell->pages;
	for (uint64_t i = 0; i < PAGES; i++) {
		if (is_zero(pages + i * PAGE))
			continue;
		state_put_number(out, i);
		state_put(out, pages + i * PAGE, PAGE);
	}
	state_put_number(out, PAGES);
}

void doorbell_save(struct doorbell *doorbell, struct state_writer *out)
{
	pthread_mutex_lock(&doorbell->lock);
	put_pages(doorbell, out);
	for (unsigned i = 0; i < VISO_DOORBELL_CALL_COUNT; i++) {
		const struct doorbell_call *call = &doorbell->calls[i];
		state_put_number(out, call->hypercall ? 1 : call->has_answer ? 2 : 0);
		state_put_number(out, (uint64_t)call->answer);
	}
	state_put_number(out, doorbell->serial);
	pthread_mutex_unlock(&doorbell->lock);
}

static bool get_pages(const struct doorbell *doorbell, struct state_reader *in)
{
	uint8_t *pages = (uint8_t *)doorbell->pages;
	uint64_t number;
	while (state_get_number(in, PAGES, &number)) {
		if (number == PAGES)
			return true;
		if (!state_get(in, pages + number * PAGE, PAGE))
			return false;
	}
	return false;
}

static bool get_call(struct doorbell *doorbell, unsigned index, struct state_reader *in)
{
	enum { NONE, WAITED, ANSWERED };
	struct doorbell_call *call = &doorbell->calls[index];
	uint64_t kind, answer;
	if (!state_get_number(in, ANSWERED, &kind) || !state_get_number(in, UINT64_MAX, &answer))
		return false;
	call->is_to_ring = kind == WAITED;
	call->has_answer = kind == ANSWERED;
	call->answer = (int64_t)answer;
	return true;
}

static void take_back(struct doorbell *doorbell, unsigned index)
{
	volatile struct viso_doorbell_request *place = &doorbell->pages->requests[index];
	if (place->state == VISO_REQUEST_POSTED)
		place->state = VISO_REQUEST_FREE;
	doorbell->slots[index].state = place->state == VISO_REQUEST_FREE ? SLOT_FREE : SLOT_ABANDONED;
}

int doorbell_load(struct doorbell *doorbell, struct state_reader *in)
{
	uint64_t serial;
	bool fits = get_pages(doorbell, in);
	for (unsigned i = 0; fits && i < VISO_DOORBELL_CALL_COUNT; i++)
		fits = get_call(doorbell, i, in);
	if (!fits || !state_get_number(in, UINT32_MAX, &serial))
		return state_damaged("doorbell");
	doorbell->serial = (uint32_t)serial;
	doorbell->pages->head.host_polls = 0;
	for (unsigned i = 0; i < VISO_DOORBELL_REQUEST_COUNT; i++)
		take_back(doorbell, i);
	return 0;
}

static bool take_waiting(struct doorbell *doorbell, unsigned index)
{
	bool is_waiting = doorbell->calls[index].is_to_ring;
	doorbell->calls[index].is_to_ring = false;
	if (is_waiting)
		__atomic_store_n(&doorbell->pages->calls[index].state, (uint32_t)VISO_CALL_SUBMITTED, __ATOMIC_RELEASE);
	return is_waiting;
}

void doorbell_submit_again(struct doorbell *doorbell)
{
	pthread_mutex_lock(&doorbell->lock);
	for (unsigned i = 0; i < VISO_DOORBELL_CALL_COUNT; i++)
		take_waiting(doorbell, i);
	pthread_mutex_unlock(&doorbell->lock);
	doorbell_resume(doorbell);
}

void doorbell_ring_again(struct doorbell *doorbell)
{
	/* A handler may last longer than the computer. */
	doorbell_ref(doorbell);
	doorbell_resume(doorbell);
	for (unsigned i = 0; i < VISO_DOORBELL_CALL_COUNT; i++)
		if (take_waiting(doorbell, i))
			doorbell_ring_call(doorbell, i);
	doorbell_unref(doorbell);
}
