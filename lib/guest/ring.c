/* SPDX-License-Identifier: MIT */
/*
 * One producer, the program, and one consumer at a time, the thread here or the one that runs the guest (ring_serve()).
 * The consumer keeps its index to itself, and copies each slot once: the program may change everything in the page at
 * any time.
 *
 * No wake-up is lost: the thread says that it sleeps, and then looks at the ring once more; the program moves the index
 * of the ring, and then looks whether the thread sleeps. Both have a full barrier in between, so at least one of them
 * sees what the other did.
 */
#include "guest/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <virtiso/guest_calls.h>

#include "core/error.h"
#include "guest/guest.h"
#include "guest/hypercalls.h"
#include "guest/instance.h"
#include "guest/numbers.h"
#include "guest/thread.h"
#include "guest/x86_64/system.h"

enum { POLL_US_MAX = 100000, SPINS_PER_US = 16, SPINS_MAX = 1500, LOOKS = 64 };

struct ring {
	struct instance *instance;
	volatile struct viso_ring *page;
	int64_t poll_ns;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows; held by whoever consumes */
	pthread_cond_t changed;
	uint32_t tail;
	bool is_awake; /* wanted */
	atomic_bool is_closing;
	bool is_broken; /* the program has put more into it than there is room for */
};

static uint32_t produced(const struct ring *ring)
{
	return __atomic_load_n(&ring->page->head, __ATOMIC_ACQUIRE) - ring->tail;
}

/* With the ring's lock and the gate's lock held. */
static void serve_slot(struct ring *ring)
{
	volatile struct viso_ring_slot *slot = &ring->page->slots[ring->tail % VISO_RING_SLOTS];
	uint64_t number = slot->number, args[6];
	int64_t value = 0;
	for (int i = 0; i < 6; i++)
		args[i] = slot->args[i];
	bool done = hypercall_serve_ring(&ring->instance->program, number, args, &value);
	slot->value = value;
	slot->by_exit = !done;
	ring->tail++;
	__atomic_store_n(&ring->page->tail, ring->tail, __ATOMIC_RELEASE);
}

/* All that is there. True where there was something. With both locks held. */
static bool serve_all(struct ring *ring)
{
	bool any = false;
	for (uint32_t count; !ring->is_broken && (count = produced(ring)) > 0; any = true) {
		if (count > VISO_RING_SLOTS)
			ring->is_broken = true;
		else
			serve_slot(ring);
	}
	return any;
}

/* The order of the locks is ring, then gate. */
static bool look(struct ring *ring)
{
	if (__atomic_load_n(&ring->page->head, __ATOMIC_RELAXED) ==
	    __atomic_load_n(&ring->page->tail, __ATOMIC_RELAXED))
		return false;
	pthread_mutex_lock(&ring->lock);
	gate_lock(ring->instance->gate);
	bool any = serve_all(ring);
	gate_unlock(ring->instance->gate);
	pthread_mutex_unlock(&ring->lock);
	return any;
}

static void look_for_a_while(struct ring *ring)
{
	int64_t end = clock_now(CLOCK_MONOTONIC) + ring->poll_ns;
	do {
		for (int i = 0; i < LOOKS; i++) {
			if (look(ring))
				end = clock_now(CLOCK_MONOTONIC) + ring->poll_ns;
			__builtin_ia32_pause();
		}
	} while (clock_now(CLOCK_MONOTONIC) < end && !atomic_load(&ring->is_closing));
}

/* Until the doorbell rings. False at the end. */
static bool wait_for_doorbell(struct ring *ring)
{
	pthread_mutex_lock(&ring->lock);
	__atomic_store_n(&ring->page->host_sleeps, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ring->is_awake = !ring->is_broken && produced(ring) > 0;
	while (!ring->is_awake && !ring->is_closing)
		pthread_cond_wait(&ring->changed, &ring->lock);
	__atomic_store_n(&ring->page->host_sleeps, 0, __ATOMIC_SEQ_CST);
	bool goes_on = !ring->is_closing;
	pthread_mutex_unlock(&ring->lock);
	return goes_on;
}

static void *run_thread(void *data)
{
	do
		look_for_a_while(data);
	while (wait_for_doorbell(data));
	return NULL;
}

/* Below all that the program can map or unmap. */
static int map_page(struct program *program, struct ring *ring)
{
	size_t pages;
	uint64_t page = memory_allocate(program->space->memory, 1, &pages);
	if (!page || paging_map_shared(&program->space->tables, SYSTEM_RING, page, PROT_READ | PROT_WRITE) < 0)
		return -ENOMEM;
	ring->page = memory_page(program->space->memory, page);
	/* Where the other thread has no processor, looking for longer than an exit takes is a loss. */
	int64_t spins = ring->poll_ns / 1000 * SPINS_PER_US;
	ring->page->spins = (uint32_t)(spins < SPINS_MAX ? spins : SPINS_MAX);
	return 0;
}

int64_t ring_open(struct program *program)
{
	struct instance *instance = program->instance;
	if (instance->ring)
		return -EBUSY;
	if (!instance->guest->ring_poll_us || program != &instance->program)
		return -EINVAL;
	struct ring *ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ring->instance = instance;
	ring->poll_ns = instance->guest->ring_poll_us * 1000ll;
	pthread_mutex_init(&ring->lock, NULL);
	pthread_cond_init(&ring->changed, NULL);
	int r = map_page(program, ring);
	if (r == 0)
		r = thread_start(&ring->thread, run_thread, ring);
	if (r < 0) {
		ring_forget(ring);
		return r;
	}
	instance->ring = ring;
	return SYSTEM_RING;
}

int64_t ring_serve(struct program *program)
{
	struct ring *ring = program->instance->ring;
	if (!ring)
		return -EINVAL;
	/* The other thread may hold the ring, and want the gate. */
	gate_unlock(program->instance->gate);
	pthread_mutex_lock(&ring->lock);
	gate_lock(program->instance->gate);
	serve_all(ring);
	int r = ring->is_broken ? -EINVAL : 0;
	ring->is_awake = true;
	pthread_cond_signal(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
	return r;
}

void ring_close(struct ring *ring)
{
	if (!ring)
		return;
	pthread_mutex_lock(&ring->lock);
	ring->is_closing = true;
	pthread_cond_signal(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
	pthread_join(ring->thread, NULL);
	pthread_cond_destroy(&ring->changed);
	pthread_mutex_destroy(&ring->lock);
	free(ring);
}

void ring_forget(struct ring *ring)
{
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
