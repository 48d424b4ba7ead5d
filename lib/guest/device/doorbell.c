/* SPDX-License-Identifier: MIT */
/* The doorbell itself: its pages, its port, its life. */
#include "guest/device/doorbell.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "guest/device/doorbell_inside.h"

_Static_assert(DOORBELL_SIZE == sizeof(struct viso_doorbell_pages), "the pages");
_Static_assert(DOORBELL_NAME_MAX == VISO_DOORBELL_NAME_SIZE - 1, "names");

/* Whatever is here, the host does not look at it again. */
static void fill_in(const struct doorbell_setting *setting, volatile struct viso_doorbell_pages *pages)
{
	const struct viso_doorbell_head head = {
		.magic = {'v', 'i', 's', 'o', 'b', 'e', 'l', 'l'},
		.version = VISO_DOORBELL_VERSION,
		.size = DOORBELL_SIZE,
		.address = setting->address,
		.port = setting->port,
		.line = setting->line,
		.features = VISO_DOORBELL_CALLS | VISO_DOORBELL_REQUESTS | VISO_DOORBELL_POLLING,
		.calls = offsetof(struct viso_doorbell_pages, calls),
		.call_size = sizeof(struct viso_doorbell_call),
		.call_count = VISO_DOORBELL_CALL_COUNT,
		.requests = offsetof(struct viso_doorbell_pages, requests),
		.request_size = sizeof(struct viso_doorbell_request),
		.request_count = VISO_DOORBELL_REQUEST_COUNT,
	};
	memcpy((void *)&pages->head, &head, sizeof(head));
}

static void *map_pages(const struct doorbell_apart *apart)
{
	const int flags = apart ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	return mmap(NULL, DOORBELL_SIZE, PROT_READ | PROT_WRITE, flags, apart ? apart->pages : -1, 0);
}

struct doorbell *doorbell_new(const struct doorbell_setting *setting)
{
	pthread_condattr_t attributes;
	struct doorbell *doorbell = calloc(1, sizeof(*doorbell));
	void *pages = map_pages(setting->apart);
	if (!doorbell || pages == MAP_FAILED) {
		free(doorbell);
		if (pages != MAP_FAILED)
			munmap(pages, DOORBELL_SIZE);
		return NULL;
	}
	/* As the guest's memory. */
	madvise(pages, DOORBELL_SIZE, MADV_DONTFORK);
	madvise(pages, DOORBELL_SIZE, MADV_DONTDUMP);
	doorbell->pages = pages;
	atomic_init(&doorbell->references, 1);
	if (setting->apart)
		doorbell->apart = *setting->apart;
	else
		doorbell->ram = *setting->ram;
	doorbell->address = setting->address;
	doorbell->interrupt = setting->interrupt;
	doorbell->processor = setting->processor;
	doorbell->guest = setting->guest;
	doorbell->poll_ns = setting->poll_us * 1000ll;
	pthread_mutex_init(&doorbell->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&doorbell->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	fill_in(setting, doorbell->pages);
	return doorbell;
}

struct doorbell *doorbell_ref(struct doorbell *doorbell)
{
	atomic_fetch_add(&doorbell->references, 1);
	return doorbell;
}

static void release_apart(struct doorbell *doorbell)
{
	if (doorbell->apart.release)
		doorbell->apart.release(doorbell->apart.data);
}

void doorbell_unref(struct doorbell *doorbell)
{
	if (!doorbell || atomic_fetch_sub(&doorbell->references, 1) != 1)
		return;
	munmap((void *)doorbell->pages, DOORBELL_SIZE);
	release_apart(doorbell);
	pthread_cond_destroy(&doorbell->changed);
	pthread_mutex_destroy(&doorbell->lock);
	free(doorbell);
}

/* The pages are not in the child, and another thread may have held the lock. */
void doorbell_forget(struct doorbell *doorbell)
{
	if (atomic_fetch_sub(&doorbell->references, 1) != 1)
		return;
	release_apart(doorbell);
	free(doorbell);
}

void *doorbell_pages(struct doorbell *doorbell)
{
	return (void *)doorbell->pages;
}

static void ring_slots(struct doorbell *doorbell, unsigned first, unsigned end)
{
	pthread_mutex_lock(&doorbell->lock);
	for (unsigned i = first; i < end && !doorbell->is_closed; i++)
		doorbell_ring_slot(doorbell, i);
	pthread_mutex_unlock(&doorbell->lock);
}

static void ring_calls(struct doorbell *doorbell)
{
	for (unsigned i = 0; i < VISO_DOORBELL_CALL_COUNT; i++)
		doorbell_ring_call(doorbell, i);
}

void doorbell_hear_answers(struct doorbell *doorbell)
{
	ring_slots(doorbell, 0, VISO_DOORBELL_REQUEST_COUNT);
}

unsigned doorbell_count_calls(struct doorbell *doorbell)
{
	unsigned count = 0;
	for (unsigned i = 0; i < VISO_DOORBELL_CALL_COUNT; i++)
		count += __atomic_load_n(&doorbell->pages->calls[i].state, __ATOMIC_RELAXED) == VISO_CALL_SUBMITTED;
	return count;
}

unsigned doorbell_progress(const struct doorbell *doorbell)
{
	return atomic_load_explicit(&doorbell->progress, memory_order_relaxed);
}

void doorbell_make_calls(struct doorbell *doorbell)
{
	/* A handler may last longer than the computer. */
	doorbell_ref(doorbell);
	ring_calls(doorbell);
	doorbell_unref(doorbell);
}

static void write_port(void *device, uint64_t offset, const void *data, unsigned size)
{
	/* A handler may last longer than the computer. */
	struct doorbell *doorbell = doorbell_ref(device);
	uint64_t value = bus_get(data, size);
	if (value < VISO_DOORBELL_CALL_COUNT) {
		doorbell_ring_call(doorbell, (unsigned)value);
	} else if (value >= VISO_DOORBELL_REQUEST && value - VISO_DOORBELL_REQUEST < VISO_DOORBELL_REQUEST_COUNT) {
		const unsigned slot = (unsigned)value - VISO_DOORBELL_REQUEST;
		ring_slots(doorbell, slot, slot + 1);
	} else if (value == VISO_DOORBELL_ALL) {
		ring_slots(doorbell, 0, VISO_DOORBELL_REQUEST_COUNT);
		ring_calls(doorbell);
	}
	doorbell_unref(doorbell);
}

static void read_port(void *device, uint64_t offset, void *data, unsigned size)
{
	bus_put(data, size, VISO_DOORBELL_VERSION);
}

const struct bus_ops doorbell_ops = {.read = read_port, .write = write_port};

void doorbell_pause(struct doorbell *doorbell)
{
	pthread_mutex_lock(&doorbell->lock);
	doorbell->is_paused = true;
	pthread_mutex_unlock(&doorbell->lock);
}

bool doorbell_is_paused(struct doorbell *doorbell)
{
	pthread_mutex_lock(&doorbell->lock);
	bool is_paused = doorbell->is_paused;
	pthread_mutex_unlock(&doorbell->lock);
	return is_paused;
}

void doorbell_resume(struct doorbell *doorbell)
{
	pthread_mutex_lock(&doorbell->lock);
	doorbell->is_paused = false;
	if (!doorbell->is_closed) {
		doorbell_resume_calls(doorbell);
		doorbell_resume_slots(doorbell);
	}
	pthread_cond_broadcast(&doorbell->changed);
	pthread_mutex_unlock(&doorbell->lock);
}

void doorbell_close(struct doorbell *doorbell)
{
	viso_hypercall *queued[VISO_DOORBELL_CALL_COUNT];
	pthread_mutex_lock(&doorbell->lock);
	unsigned count = doorbell->is_closed ? 0 : doorbell_close_calls(doorbell, queued);
	doorbell->is_closed = true;
	doorbell->guest = NULL;
	pthread_cond_broadcast(&doorbell->changed);
	pthread_mutex_unlock(&doorbell->lock);
	while (count > 0)
		viso_hypercall_unref(queued[--count]);
}
