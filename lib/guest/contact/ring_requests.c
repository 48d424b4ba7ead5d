/* SPDX-License-Identifier: MIT */
/*
 * Requests of the host through the ring. While its program looks for one, the guest must run: a thread here runs it
 * from a request on until it has looked in vain for long enough, and the caller only puts the request into the ring and
 * looks for the answer. Whatever else the host wants of the guest first has that thread leave it (ring_pause()).
 *
 * No wake-up is lost, in either direction: who goes to sleep says so, and then looks once more; who has put something
 * into the ring looks afterwards whether the other sleeps. Nothing of what the host decides by comes from the pages but
 * the number of the answer, its length and its bytes, each of which is read once.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "core/hot.h"
#include "guest/contact/ring_inside.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/thread.h"

void ring_init_requests(struct ring_requests *requests)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&requests->lock, NULL);
	pthread_cond_init(&requests->work, NULL);
	pthread_cond_init(&requests->change, &attributes);
	pthread_condattr_destroy(&attributes);
	atomic_init(&requests->rests, true);
}

/* With the lock held. */
static void tell_rest(struct ring *ring)
{
	struct ring_requests *requests = &ring->requests;
	atomic_store(&requests->has_ended, ring->instance->program.ended);
	atomic_store(&requests->rests, true);
	pthread_cond_broadcast(&requests->change);
}

/* Until there is a request that the guest has not looked for. False at the end. */
static bool wait_for_work(struct ring *ring)
{
	struct ring_requests *requests = &ring->requests;
	pthread_mutex_lock(&requests->lock);
	tell_rest(ring);
	while (!requests->is_closing &&
	       (requests->is_held || requests->has_ended || requests->posted == requests->seen))
		pthread_cond_wait(&requests->work, &requests->lock);
	bool goes_on = !requests->is_closing;
	atomic_store(&requests->rests, !goes_on);
	pthread_mutex_unlock(&requests->lock);
	return goes_on;
}

static void *run_thread(void *data)
{
	struct ring *ring = data;
	struct instance *instance = ring->instance;
	struct viso_guest *orphan = NULL;
	while (!orphan && wait_for_work(ring)) {
		ring->requests.seen = atomic_load(&ring->requests.posted);
		instance->stay.leave = false;
		if (instance_run_until(instance, clock_now(CLOCK_MONOTONIC), 0, 0) < 0)
			program_end(&instance->program, VISO_REASON_GUEST_FAULT, 0, "a request could not be run");
		gate_lock(instance->gate);
		orphan = ring_take_orphan(ring);
		gate_unlock(instance->gate);
	}
	if (orphan) {
		pthread_mutex_lock(&ring->requests.lock);
		tell_rest(ring);
		pthread_mutex_unlock(&ring->requests.lock);
	}
	/* With the guest the ring goes. */
	viso_guest_unref(orphan);
	return NULL;
}

int ring_begin_requests(struct program *program)
{
	struct ring *ring = program->instance->ring;
	if (!ring || program != &program->instance->program)
		return -EINVAL;
	int r = thread_start(&ring->requests.thread, run_thread, ring);
	if (r < 0)
		return r;
	ring->requests.has_thread = true;
	program->instance->scheduler.has_ticks = true;
	return 0;
}

/* Whether nobody waits for the program; whoever comes after that makes it run. What it has received it may tell
 * wrongly, and would not be there to be cancelled. */
static bool has_nothing_to_do(struct ring *ring, uint32_t received)
{
	uint32_t posted = atomic_load(&ring->requests.posted);
	if (posted != received || posted != atomic_load(&ring->requests.done))
		return false;
	ring->requests.seen = posted;
	return true;
}

static bool is_answered(const struct ring *ring)
{
	uint32_t number = atomic_load_explicit(&ring->requests.posted, memory_order_relaxed);
	return __atomic_load_n(&ring->page->reply.sequence, __ATOMIC_ACQUIRE) == number;
}

bool ring_has_untaken_answer(const struct ring *ring)
{
	return atomic_load(&ring->requests.posted) != atomic_load(&ring->requests.done) && is_answered(ring);
}

int64_t ring_receive(struct program *program, uint64_t received)
{
	struct ring *ring = program->instance->ring;
	if (program != &program->instance->program)
		return -EINVAL;
	if (has_nothing_to_do(ring, (uint32_t)received))
		program->instance->stay.leave = true;
	else if (ring_has_untaken_answer(ring))
		return ring_reply(program);
	return 0;
}

int64_t ring_reply(struct program *program)
{
	struct ring *ring = program->instance->ring;
	if (!ring)
		return -EINVAL;
	pthread_mutex_lock(&ring->requests.lock);
	pthread_cond_broadcast(&ring->requests.change);
	pthread_mutex_unlock(&ring->requests.lock);
	return 0;
}

bool ring_is_idle(struct ring *ring)
{
	struct ring_requests *requests = &ring->requests;
	uint32_t done = atomic_load(&requests->done);
	int64_t now = clock_now(CLOCK_MONOTONIC);
	if (done != atomic_load(&requests->posted) || done != requests->idle) {
		requests->idle = done;
		requests->idle_since = now;
		return false;
	}
	return now - requests->idle_since > ring->poll_ns && has_nothing_to_do(ring, done);
}

bool ring_has_new_request(struct ring *ring)
{
	uint32_t posted = atomic_load(&ring->requests.posted);
	bool is_new = posted != ring->requests.counted;
	ring->requests.counted = posted;
	return is_new;
}

/* With the lock held: the thread does not run the guest any more. */
static void stop_thread(struct ring *ring)
{
	struct ring_requests *requests = &ring->requests;
	requests->is_held = true;
	if (requests->rests)
		return;
	kick_pause(&ring->instance->kick);
	while (!requests->rests)
		pthread_cond_wait(&requests->change, &requests->lock);
	kick_unpause(&ring->instance->kick);
}

HOT void ring_pause(struct ring *ring)
{
	if (!ring || !ring->requests.has_thread)
		return;
	pthread_mutex_lock(&ring->requests.lock);
	stop_thread(ring);
	pthread_mutex_unlock(&ring->requests.lock);
}

bool ring_has_ended(struct ring *ring)
{
	return ring->requests.has_thread ? atomic_load(&ring->requests.has_ended) : ring->instance->program.ended;
}

void ring_end(struct ring *ring, viso_reason reason)
{
	program_end(&ring->instance->program, reason, SIGKILL, NULL);
	atomic_store(&ring->requests.has_ended, true);
}

void ring_close_requests(struct ring *ring)
{
	struct ring_requests *requests = &ring->requests;
	if (requests->has_thread) {
		pthread_mutex_lock(&requests->lock);
		stop_thread(ring);
		requests->is_closing = true;
		pthread_cond_signal(&requests->work);
		pthread_mutex_unlock(&requests->lock);
		ring_end_thread(requests->thread);
	}
	pthread_cond_destroy(&requests->work);
	pthread_cond_destroy(&requests->change);
	pthread_mutex_destroy(&requests->lock);
}

static void post(struct ring *ring, const struct ring_exchange *exchange)
{
	struct ring_requests *requests = &ring->requests;
	volatile struct viso_ring_message *message = &ring->page->request;
	uint32_t number = atomic_load_explicit(&requests->posted, memory_order_relaxed) + 1;
	if (exchange->in_size)
		memcpy((void *)message->bytes, exchange->in, exchange->in_size);
	message->size = (uint32_t)exchange->in_size;
	__atomic_store_n(&message->sequence, number, __ATOMIC_RELEASE);
	atomic_store(&requests->posted, number);
	if (!atomic_load(&requests->rests))
		return;
	pthread_mutex_lock(&requests->lock);
	requests->is_held = false;
	pthread_cond_signal(&requests->work);
	pthread_mutex_unlock(&requests->lock);
}

/* Whether there is no need to look any more. */
static bool is_over(const struct ring *ring)
{
	return is_answered(ring) || atomic_load_explicit(&ring->requests.has_ended, memory_order_acquire);
}

static int64_t deadline_of(const struct ring_exchange *exchange, int64_t begin)
{
	return exchange->timeout_ms < 0 ? INT64_MAX : begin + exchange->timeout_ms * 1000000ll;
}

/* For a while. Where it has not come, `*begin` is there. */
static bool look_for_answer(const struct ring *ring, const struct ring_exchange *exchange, int64_t *begin)
{
	int64_t end = 0, now = 0;
	do {
		for (int i = 0; i < RING_LOOKS; i++) {
			if (is_over(ring))
				return true;
			__builtin_ia32_pause();
		}
		now = clock_now(CLOCK_MONOTONIC);
		*begin = *begin ? *begin : now;
		int64_t deadline = deadline_of(exchange, *begin);
		if (!end)
			end = now + ring->poll_ns < deadline ? now + ring->poll_ns : deadline;
	} while (now < end);
	return false;
}

/* Until the doorbell rings, or that time. */
static void wait_for_answer(struct ring *ring, int64_t deadline)
{
	struct ring_requests *requests = &ring->requests;
	const struct timespec until = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
	int error = 0;
	pthread_mutex_lock(&requests->lock);
	__atomic_store_n(&ring->page->asker_sleeps, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (!is_over(ring) && error != ETIMEDOUT)
		error = deadline == INT64_MAX ? pthread_cond_wait(&requests->change, &requests->lock)
					      : pthread_cond_timedwait(&requests->change, &requests->lock, &until);
	__atomic_store_n(&ring->page->asker_sleeps, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&requests->lock);
}

static int64_t take_answer(const struct ring *ring, const struct ring_exchange *exchange, const char *function)
{
	uint32_t size = ring->page->reply.size;
	size_t max = exchange->out_max < VISO_RING_BYTES ? exchange->out_max : VISO_RING_BYTES;
	if (size > max)
		return error_fail(VISO_STAGE_GUEST, EMSGSIZE, function, "%s: the answer is longer than %zu bytes",
				  function, max);
	if (size)
		memcpy(exchange->out, (const void *)ring->page->reply.bytes, size);
	return size;
}

/* It was cancelled, the program has ended, or the time is over, if the answer has not come yet. */
static int end_request(struct viso_guest *guest, struct ring *ring, const char *function)
{
	struct instance *instance = ring->instance;
	ring_pause(ring);
	if (is_answered(ring) && guest_finish(guest))
		return 0;
	if (!guest_is_cancelled(guest) && !instance->program.ended) {
		ring_end(ring, VISO_REASON_TIMED_OUT);
		instance_keep_registers(instance);
	}
	int r = guest_check_ended(guest, instance, function);
	ring_end(ring, VISO_REASON_KILLED);
	return r;
}

int64_t ring_request(struct viso_guest *guest, struct instance *instance, const struct ring_exchange *exchange,
		     int64_t begin, const char *function)
{
	struct ring *ring = instance->ring;
	if (exchange->in_size > VISO_RING_BYTES)
		return error_fail(VISO_STAGE_GUEST, EMSGSIZE, function,
				  "%s: the program receives requests through the ring, which holds %d bytes", function,
				  VISO_RING_BYTES);
	post(ring, exchange);
	if (!look_for_answer(ring, exchange, &begin))
		wait_for_answer(ring, deadline_of(exchange, begin));
	int r = is_answered(ring) && guest_finish(guest) ? 0 : end_request(guest, ring, function);
	if (r < 0)
		return r;
	int64_t n = take_answer(ring, exchange, function);
	uint32_t number = atomic_load_explicit(&ring->requests.posted, memory_order_relaxed);
	atomic_store_explicit(&ring->requests.done, number, memory_order_release);
	return n;
}
