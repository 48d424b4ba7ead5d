/* SPDX-License-Identifier: MIT */
/*
 * A device that waits for the host's files: a thread of its own serves its chains without the lock, and helpers, where
 * there may be any, those that wait meanwhile. Its struct begins with this, and its struct virtio_ops has the functions
 * below.
 */
#ifndef GUEST_DEVICE_VIRTIO_WORKER_H
#define GUEST_DEVICE_VIRTIO_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/device/throttle.h"
#include "guest/device/virtio/virtio.h"

enum { WORKER_HELPERS_MAX = 3 };

struct worker {
	struct virtio virtio; /* first */
	/* How many bytes were written; -EPROTO breaks the device. The lock is not held. */
	int64_t (*serve)(struct worker *worker, unsigned queue, const struct chain *chain);
	struct throttle throttle; /* of all queues together */
	uint64_t waits_until;     /* the clock's time; 0: it does not wait for it */
	pthread_t thread;
	bool has_thread;
	atomic_bool is_stopping;

	/* With the device's lock: */
	pthread_cond_t is_idle;
	unsigned busy; /* so many chains are being served */
	bool is_slow;  /* the last one took so long that another thread would have been awake meanwhile */
	pthread_cond_t is_wanted;
	unsigned helpers_max, helper_count, resting, wanted;
	pthread_t helpers[WORKER_HELPERS_MAX];
};

/*
 * After virtio_init(), without a loop; with helpers `serve` is called by several threads at once. 0 or a negative
 * errno, after which virtio_release() can be called.
 */
int worker_init(struct worker *worker, unsigned helpers_max,
		int64_t (*serve)(struct worker *worker, unsigned queue, const struct chain *chain));
void worker_release(struct worker *worker);

/* For struct virtio_ops. */
void worker_notify(struct virtio *virtio, unsigned queue);
void worker_reset(struct virtio *virtio);
int worker_start(struct virtio *virtio);
void worker_pause(struct virtio *virtio);
void worker_stop(struct virtio *virtio);

/* What the thread does when it is notified: serves what waits, and rings for what a queue has beyond a turn. In its
 * place for tests. */
void worker_serve(struct virtio *virtio);

#endif
