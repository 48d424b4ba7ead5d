/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/worker.h"

#include <linux/virtio_config.h>
#include <poll.h>
#include <unistd.h>

#include "guest/thread.h"

enum {
	SIGNAL_NS = 500000, /* no chain that is done waits longer for those behind it */
	SLOW_NS = 100000,
	CHAINS_AT_ONCE = 2 * QUEUE_SIZE_MAX, /* then the other queues have their turn */
};

static struct worker *worker_of(struct virtio *virtio)
{
	return (struct worker *)virtio;
}

/* With the lock, which is given away for the request's time. */
static void serve_one(struct worker *worker, unsigned queue, const struct chain *chain)
{
	struct virtio *virtio = &worker->virtio;
	uint64_t begin = throttle_now();
	worker->busy++;
	pthread_mutex_unlock(&virtio->lock);
	int64_t written = worker->serve(worker, queue, chain);
	pthread_mutex_lock(&virtio->lock);
	worker->is_slow = throttle_now() - begin > SLOW_NS;
	if (written >= 0) {
		traffic_count(&virtio->traffic, TRAFFIC_TO_GUEST, (uint64_t)written);
		traffic_count(&virtio->traffic, TRAFFIC_FROM_GUEST, chain->readable_bytes);
	}
	/* A reset has taken the status away and waits. */
	if (written < 0 && (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK))
		virtio_break(virtio);
	else if (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK)
		queue_push(&virtio->queues[queue], chain->head, (uint32_t)written);
	worker->busy--;
	pthread_cond_broadcast(&worker->is_idle);
}

static bool goes_on(const struct worker *worker)
{
	return !atomic_load(&worker->is_stopping) && virtio_is_active(&worker->virtio);
}

/* How many bytes of a chain count: the larger part of it is what is read or written. */
static uint64_t size_of(const struct chain *chain)
{
	return chain->readable_bytes > chain->writable_bytes ? chain->readable_bytes : chain->writable_bytes;
}

/* What may not begin yet stays in the queue: nobody waits here, least of all a virtual processor. */
static bool may_begin(struct worker *worker, struct virtqueue *queue, const struct chain *chain)
{
	if (!throttle_is_limited(&worker->throttle))
		return true;
	uint64_t time = throttle_now(), wait = throttle_wait(&worker->throttle, time);
	if (wait > 0) {
		worker->waits_until = time + wait;
		queue_unpop(queue, 1);
		return false;
	}
	throttle_take(&worker->throttle, size_of(chain), time);
	return true;
}

static void *help(void *data);

/* What the host has in its cache is read sooner than another thread is awake: so only where requests take long. */
static void ask_for_help(struct worker *worker, const struct virtqueue *queue)
{
	if (!worker->has_thread || !worker->is_slow || queue_waiting(queue) == 0)
		return;
	if (worker->resting > worker->wanted) {
		worker->wanted++;
		pthread_cond_signal(&worker->is_wanted);
	} else if (worker->helper_count < worker->helpers_max &&
		   thread_start(&worker->helpers[worker->helper_count], help, worker) == 0) {
		worker->helper_count++;
	}
}

/* A driver that makes chains available for ever does not hold the thread: the rest follows by the doorbell. */
static void serve_queue(struct worker *worker, unsigned index, struct chain *chain)
{
	struct virtio *virtio = &worker->virtio;
	struct virtqueue *queue = &virtio->queues[index];
	uint64_t last = throttle_now();
	unsigned rest = CHAINS_AT_ONCE;
	if (!goes_on(worker))
		return;
	queue_silence(queue);
	do {
		while (rest > 0 && goes_on(worker) && virtio_pop(virtio, queue, chain)) {
			if (!may_begin(worker, queue, chain))
				break;
			rest--;
			ask_for_help(worker, queue);
			serve_one(worker, index, chain);
			if (throttle_now() - last < SIGNAL_NS)
				continue;
			virtio_signal(virtio, queue);
			last = throttle_now();
		}
	} while (rest > 0 && goes_on(worker) && !worker->waits_until && queue_listen(queue));
	if (rest == 0)
		worker_notify(virtio, index);
	virtio_signal(virtio, queue);
}

/* With the lock. */
static void serve_queues(struct worker *worker)
{
	struct chain chain;
	for (unsigned i = 0; i < worker->virtio.queue_count && !worker->waits_until; i++)
		serve_queue(worker, i, &chain);
}

void worker_serve(struct virtio *virtio)
{
	pthread_mutex_lock(&virtio->lock);
	worker_of(virtio)->waits_until = 0;
	serve_queues(worker_of(virtio));
	pthread_mutex_unlock(&virtio->lock);
}

static void *help(void *data)
{
	struct worker *worker = data;
	pthread_setname_np(pthread_self(), "viso-files");
	pthread_mutex_lock(&worker->virtio.lock);
	while (!atomic_load(&worker->is_stopping)) {
		serve_queues(worker);
		/* It is the first thread that looks at the clock. */
		if (worker->waits_until)
			worker_notify(&worker->virtio, 0);
		worker->resting++;
		while (!atomic_load(&worker->is_stopping) && worker->wanted == 0)
			pthread_cond_wait(&worker->is_wanted, &worker->virtio.lock);
		worker->resting--;
		worker->wanted -= worker->wanted > 0;
	}
	pthread_mutex_unlock(&worker->virtio.lock);
	return NULL;
}

/* NULL: for ever. */
static const struct timespec *time_to_wait(struct worker *worker, struct timespec *out)
{
	pthread_mutex_lock(&worker->virtio.lock);
	uint64_t until = worker->waits_until, time = until ? throttle_now() : 0, wait = until > time ? until - time : 0;
	pthread_mutex_unlock(&worker->virtio.lock);
	*out = (struct timespec){.tv_sec = (time_t)(wait / 1000000000), .tv_nsec = (long)(wait % 1000000000)};
	return until ? out : NULL;
}

static void *run(void *data)
{
	struct worker *worker = data;
	struct pollfd doorbells[VIRTIO_QUEUES_MAX];
	unsigned count = worker->virtio.queue_count;
	for (unsigned i = 0; i < count; i++)
		doorbells[i] = (struct pollfd){.fd = worker->virtio.doorbells[i], .events = POLLIN};
	pthread_setname_np(pthread_self(), "viso-files");
	while (!atomic_load(&worker->is_stopping)) {
		struct timespec wait;
		uint64_t rings;
		bool is_rung = ppoll(doorbells, count, time_to_wait(worker, &wait), NULL) == 0;
		for (unsigned i = 0; i < count; i++)
			is_rung |= read(doorbells[i].fd, &rings, sizeof(rings)) > 0;
		if (is_rung)
			worker_serve(&worker->virtio);
	}
	return NULL;
}

void worker_notify(struct virtio *virtio, unsigned queue)
{
	const uint64_t one = 1;
	if (write(virtio->doorbells[queue], &one, sizeof(one)) < 0)
		return; /* it is full: rung already */
}

void worker_reset(struct virtio *virtio)
{
	struct worker *worker = worker_of(virtio);
	while (worker->busy > 0)
		pthread_cond_wait(&worker->is_idle, &virtio->lock);
}

int worker_start(struct virtio *virtio)
{
	struct worker *worker = worker_of(virtio);
	if (worker->has_thread)
		return 0;
	atomic_store(&worker->is_stopping, false);
	int r = thread_start(&worker->thread, run, worker);
	worker->has_thread = r == 0;
	return r;
}

void worker_pause(struct virtio *virtio)
{
	pthread_mutex_lock(&virtio->lock);
	worker_reset(virtio);
	pthread_mutex_unlock(&virtio->lock);
}

void worker_stop(struct virtio *virtio)
{
	struct worker *worker = worker_of(virtio);
	if (!worker->has_thread)
		return;
	atomic_store(&worker->is_stopping, true);
	worker_notify(virtio, 0);
	pthread_join(worker->thread, NULL);
	/* Whoever holds it may be starting the last helper; nobody does afterwards. */
	pthread_mutex_lock(&virtio->lock);
	pthread_cond_broadcast(&worker->is_wanted);
	pthread_mutex_unlock(&virtio->lock);
	for (unsigned i = 0; i < worker->helper_count; i++)
		pthread_join(worker->helpers[i], NULL);
	worker->helper_count = worker->wanted = 0;
	worker->has_thread = false;
}

int worker_init(struct worker *worker, unsigned helpers_max,
		int64_t (*serve)(struct worker *worker, unsigned queue, const struct chain *chain))
{
	worker->serve = serve;
	worker->helpers_max = helpers_max;
	pthread_cond_init(&worker->is_idle, NULL);
	pthread_cond_init(&worker->is_wanted, NULL);
	for (unsigned i = 0; i < worker->virtio.queue_count; i++) {
		int fd = virtio_doorbell(&worker->virtio, i);
		if (fd < 0)
			return fd;
	}
	return 0;
}

void worker_release(struct worker *worker)
{
	pthread_cond_destroy(&worker->is_idle);
	pthread_cond_destroy(&worker->is_wanted);
}
