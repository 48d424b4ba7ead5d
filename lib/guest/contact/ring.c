/* SPDX-License-Identifier: MIT */
/*
 * The ring, and the program's hypercalls through it: one producer, the program, and one consumer at a time, the thread
 * here or the one that runs the guest (ring_serve()). The consumer keeps the number of the next hypercall to itself,
 * and copies each once: the program may change everything in the pages at any time.
 *
 * No wake-up is lost: the thread says that it sleeps, and then looks at the ring once more; the program puts the number
 * into the ring, and then looks whether the thread sleeps. Both have a full barrier in between, so at least one of them
 * sees what the other did.
 */
#include "guest/contact/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <virtiso/guest_calls.h>

#include "core/error.h"
#include "core/hot.h"
#include "guest/contact/hypercall.h"
#include "guest/contact/ring_inside.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/thread.h"
#include "guest/x86_64/system.h"

enum { POLL_US_MAX = 100000, SPINS_PER_US = 16, SPINS_MAX = 1500, PAGES = sizeof(struct viso_ring) / GUEST_PAGE };

_Static_assert(sizeof(struct viso_ring) == 9 * GUEST_PAGE, "each direction has pages of its own");

static uint32_t next_call(const struct ring *ring)
{
	return atomic_load_explicit(&ring->calls.taken, memory_order_relaxed) + 1;
}

static bool has_call(const struct ring *ring)
{
	uint32_t next = next_call(ring);
	return __atomic_load_n(&ring->page->asks[next % VISO_RING_SLOTS].sequence, __ATOMIC_ACQUIRE) == next;
}

/* With the lock held, and without the gate's. */
HOT static void serve_call(struct ring *ring)
{
	uint32_t sequence = next_call(ring);
	volatile struct viso_ring_answer *answer = &ring->page->answers[sequence % VISO_RING_SLOTS];
	int64_t value;
	bool done = ring_call_handler(ring, &ring->page->asks[sequence % VISO_RING_SLOTS], &value);
	answer->value = value;
	answer->by_exit = !done;
	atomic_store_explicit(&ring->calls.taken, sequence, memory_order_relaxed);
	__atomic_store_n(&answer->sequence, sequence, __ATOMIC_RELEASE);
	ring_end_call(ring, value);
}

static bool may_go_on(const struct ring_calls *calls)
{
	return !atomic_load_explicit(&calls->waiters, memory_order_relaxed) && !calls->has_lost_guest;
}

/*
 * To take the lock anew for each hypercall would take as long as all the rest. So it is held as long as there are any,
 * but for no longer than nobody else wants it.
 */
HOT static void serve_while_there_are(struct ring *ring)
{
	struct ring_calls *calls = &ring->calls;
	struct serving serving;
	pthread_mutex_lock(&calls->lock);
	serving_begin(&serving, ring->instance->guest);
	for (int i = 0; i < RING_LOOKS && may_go_on(calls); i++) {
		if (has_call(ring)) {
			serve_call(ring);
			i = 0;
		}
		__builtin_ia32_pause();
	}
	serving_end(&serving);
	/* The order of the locks is ring, then gate. */
	gate_lock(ring->instance->gate);
	calls->orphan = ring_take_orphan(ring);
	gate_unlock(ring->instance->gate);
	pthread_mutex_unlock(&calls->lock);
}

/* For the others: whoever holds the lock sees that somebody waits for it. */
static void lock_calls(struct ring_calls *calls)
{
	atomic_fetch_add(&calls->waiters, 1);
	pthread_mutex_lock(&calls->lock);
	atomic_fetch_sub(&calls->waiters, 1);
}

static void look_for_a_while(struct ring *ring)
{
	int64_t now = clock_now(CLOCK_MONOTONIC), end = now + ring->poll_ns;
	while (now < end && !ring->calls.orphan &&
	       !atomic_load_explicit(&ring->calls.is_closing, memory_order_relaxed)) {
		bool any = false;
		for (int i = 0; i < RING_LOOKS && !any; i++) {
			any = has_call(ring);
			if (any)
				serve_while_there_are(ring);
			__builtin_ia32_pause();
		}
		now = clock_now(CLOCK_MONOTONIC);
		if (any)
			end = now + ring->poll_ns;
	}
}

/* Until the doorbell rings. False at the end. */
static bool wait_for_doorbell(struct ring *ring)
{
	struct ring_calls *calls = &ring->calls;
	pthread_mutex_lock(&calls->lock);
	__atomic_store_n(&ring->page->host_sleeps, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	calls->is_awake = has_call(ring);
	while (!calls->is_awake && !calls->is_closing)
		pthread_cond_wait(&calls->changed, &calls->lock);
	__atomic_store_n(&ring->page->host_sleeps, 0, __ATOMIC_SEQ_CST);
	bool goes_on = !calls->is_closing;
	pthread_mutex_unlock(&calls->lock);
	return goes_on;
}

static void *run_thread(void *data)
{
	struct ring *ring = data;
	do
		look_for_a_while(ring);
	while (!ring->calls.orphan && wait_for_doorbell(ring));
	/* With the guest the ring goes. */
	viso_guest_unref(ring->calls.orphan);
	return NULL;
}

struct viso_guest *ring_take_orphan(struct ring *ring)
{
	struct instance *instance = ring->instance;
	if (!instance->owns_guest || instance->stay.state == STAY_NOT)
		return NULL;
	instance->owns_guest = false;
	return instance->guest;
}

void ring_end_thread(pthread_t thread)
{
	if (pthread_equal(thread, pthread_self()))
		pthread_detach(thread);
	else
		pthread_join(thread, NULL);
}

static uint32_t spins_for(int64_t poll_ns, int64_t max)
{
	int64_t spins = poll_ns / 1000 * SPINS_PER_US;
	return (uint32_t)(spins < max ? spins : max);
}

/* Below all that the program can map or unmap. */
static int map_pages(struct program *program, struct ring *ring)
{
	struct guest_memory *memory = program->space->memory;
	size_t pages;
	uint64_t first = memory_allocate(memory, PAGES, &pages);
	if (!first)
		return -ENOMEM;
	if (pages < PAGES) {
		memory_free(memory, first, pages);
		return -ENOMEM;
	}
	for (uint64_t at = 0; at < PAGES * GUEST_PAGE; at += GUEST_PAGE)
		if (paging_map_shared(&program->space->tables, SYSTEM_RING + at, first + at, PROT_READ | PROT_WRITE) <
		    0)
			return -ENOMEM;
	ring->page = memory_page(memory, first);
	/* Where the other thread has no processor, looking for longer than an exit takes is a loss. */
	ring->page->spins = spins_for(ring->poll_ns, SPINS_MAX);
	ring->page->receive_spins = spins_for(ring->poll_ns, INT32_MAX);
	return 0;
}

static struct ring *ring_new(struct instance *instance)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	if (!ring)
		return NULL;
	ring->instance = instance;
	ring->poll_ns = instance->guest->ring_poll_us * 1000ll;
	pthread_mutex_init(&ring->calls.lock, NULL);
	pthread_cond_init(&ring->calls.changed, NULL);
	ring_init_requests(&ring->requests);
	return ring;
}

int64_t ring_open(struct program *program)
{
	struct instance *instance = program->instance;
	if (instance->ring)
		return -EBUSY;
	if (!instance->guest->ring_poll_us || program != &instance->program)
		return -EINVAL;
	struct ring *ring = ring_new(instance);
	if (!ring)
		return -ENOMEM;
	int r = map_pages(program, ring);
	if (r == 0)
		r = thread_start(&ring->calls.thread, run_thread, ring);
	if (r < 0) {
		ring_close(ring);
		return r;
	}
	ring->calls.has_thread = true;
	instance->ring = ring;
	return SYSTEM_RING;
}

/* All that is there, as far as the ring holds: the program may put more in for ever. With the lock held. */
static void serve_all(struct ring *ring)
{
	struct serving serving;
	serving_begin(&serving, ring->instance->guest);
	for (int i = 0; i < VISO_RING_SLOTS && has_call(ring) && !ring->calls.has_lost_guest; i++)
		serve_call(ring);
	serving_end(&serving);
}

int64_t ring_serve(struct program *program)
{
	struct ring *ring = program->instance->ring;
	if (!ring)
		return -EINVAL;
	/* The other thread may hold the ring, and want the gate. */
	gate_unlock(program->instance->gate);
	lock_calls(&ring->calls);
	serve_all(ring);
	ring->calls.is_awake = true;
	pthread_cond_signal(&ring->calls.changed);
	pthread_mutex_unlock(&ring->calls.lock);
	gate_lock(program->instance->gate);
	/* As gate_return_from_handler(). */
	program->instance->look_for_stop = true;
	return 0;
}

static void close_calls(struct ring_calls *calls)
{
	lock_calls(calls);
	calls->is_closing = true;
	pthread_cond_signal(&calls->changed);
	pthread_mutex_unlock(&calls->lock);
	if (calls->has_thread)
		ring_end_thread(calls->thread);
	if (calls->spare)
		hypercall_free(calls->spare);
	pthread_cond_destroy(&calls->changed);
	pthread_mutex_destroy(&calls->lock);
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	ring_close_requests(ring);
	close_calls(&ring->calls);
	free(ring);
}

void ring_forget(struct ring *ring)
{
	const viso_hypercall *spare = ring ? ring->calls.spare : NULL;
	if (spare && !spare->in_handler && atomic_load(&spare->handle.references) == 1)
		free(ring->calls.spare);
	free(ring);
}

int viso_guest_set_ring(viso_guest *guest, unsigned poll_us)
{
	int r = guest_check_host_setter(guest, __func__);
	if (r < 0)
		return r;
	if (poll_us > POLL_US_MAX)
		return error_argument(__func__, "at most 100000 microseconds");
	guest->ring_poll_us = poll_us;
	return 0;
}
