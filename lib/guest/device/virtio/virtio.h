/* SPDX-License-Identifier: MIT */
/*
 * What all virtio devices have in common (virtio 1.2, 2): status, features, queues, configuration. How the guest
 * reaches it is in mmio.h; what it does is in a file for each device.
 *
 * One lock guards a device with its queues. It is held when the functions of virtio_ops are called, and a
 * notification may come in any thread: of a virtual processor, of the loop, of the device.
 *
 * In the life of a device: made; started, and paused and started again as often as the guest is; stopped; released.
 */
#ifndef GUEST_DEVICE_VIRTIO_VIRTIO_H
#define GUEST_DEVICE_VIRTIO_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/device/interrupt.h"
#include "guest/device/loop.h"
#include "guest/device/ram.h"
#include "guest/device/state.h"
#include "guest/device/traffic.h"
#include "guest/device/virtio/queue.h"

enum {
	VIRTIO_QUEUES_MAX = 18, /* of a console with eight ports */
	VIRTIO_CONFIG_MAX = 64,
};

struct virtio;

struct virtio_ops {
	uint32_t id; /* virtio 1.2, 5 */

	/* The driver is there: DRIVER_OK. Then each queue is notified once. May be NULL. */
	void (*activate)(struct virtio *virtio);
	/* There are chains in a queue, or it is wanted that there be. */
	void (*notify)(struct virtio *virtio, unsigned queue);
	/* What virtio_watch() was given is ready; may come once more after it was forgotten. May be NULL. */
	void (*ready)(struct virtio *virtio, uint64_t number, uint32_t events);
	/* The driver is gone: nothing is done with its queues after this, which may wait for the lock. May be NULL. */
	void (*reset)(struct virtio *virtio);
	/* The driver writes into the configuration, within its size. NULL: it cannot. */
	void (*write_config)(struct virtio *virtio, unsigned offset, const void *data, unsigned size);
	/* These three without the lock, and NULL where there is nothing to do. It begins, or goes on: 0 or a negative
	 * errno. */
	int (*start)(struct virtio *virtio);
	/* What is under way ends, and nothing begins: virtio_is_active() is false. */
	void (*pause)(struct virtio *virtio);
	/* After that: threads of its own end. */
	void (*stop)(struct virtio *virtio);
	/* What it has beside queues and configuration, with the lock, while it stands still; NULL where that is
	 * nothing. 0 or a negative errno with the error set. */
	int (*save)(struct virtio *virtio, struct state_writer *out);
	/* The same back, after queues and configuration; `config` is what it had itself. It is started afterwards. */
	int (*load)(struct virtio *virtio, const uint8_t config[], struct state_reader *in);
	/* Frees the device that `virtio` is the begin of; it is stopped, and the rest is released already. */
	void (*release)(struct virtio *virtio);
};

struct virtio {
	const struct virtio_ops *ops;
	const struct ram *ram;
	struct interrupt interrupt; /* its level is that of interrupt_status */
	struct loop *loop;          /* NULL where the device needs none */
	int handler;                /* in it */

	pthread_mutex_t lock; /* guards what follows */
	bool is_started;      /* and not paused */
	uint8_t status;
	uint64_t offered, accepted; /* features */
	bool has_accepted_beyond;   /* any that 64 bits have no room for */
	uint32_t interrupt_status;
	uint32_t generation; /* of the configuration */
	uint32_t device_feature_word, driver_feature_word, queue_select;
	unsigned queue_count;
	unsigned config_size;
	uint8_t config[VIRTIO_CONFIG_MAX];
	struct virtqueue queues[VIRTIO_QUEUES_MAX];
	int doorbells[VIRTIO_QUEUES_MAX]; /* eventfds, -1 where there is none */
	uint64_t notifications, interrupts;
	struct traffic traffic; /* of ports, of connections, of requests for files */
};

/*
 * The loop may be NULL, and then there is nothing that could be watched. Features of queues and of virtio 1 are added
 * to `features`. 0 or a negative errno, with nothing to release then.
 */
int virtio_init(struct virtio *virtio, const struct virtio_ops *ops, const struct ram *ram, struct interrupt interrupt,
		struct loop *loop, uint64_t features, unsigned queue_count, unsigned queue_size);

/* Of any device: it is stopped and freed; NULL is taken. The loop is stopped. */
void virtio_release(struct virtio *virtio);

/* In a forked child, where its fds may be other ones by now: its memory. */
void virtio_forget(struct virtio *virtio);

/* 0 or a negative errno, which comes at the first time only. */
int virtio_start(struct virtio *virtio);
/* All processors stand still: when this returns, the device does not touch the guest's memory any more. */
void virtio_pause(struct virtio *virtio);
void virtio_stop(struct virtio *virtio);

/*
 * What it is, while it is paused; and the same for one that was made in the same way and never started. The line is
 * raised where it was. 0 or a negative errno with the error set: -EINVAL it cannot be.
 */
int virtio_save(struct virtio *virtio, struct state_writer *out);
int virtio_load(struct virtio *virtio, struct state_reader *in);

/*
 * An eventfd by which KVM can notify a queue without a processor's leaving the guest (KVM_IOEVENTFD), watched by the
 * loop, or by nobody where there is none. It stays the device's. The fd or a negative errno.
 */
int virtio_doorbell(struct virtio *virtio, unsigned queue);

/* For devices, with the lock: */

bool virtio_has(const struct virtio *virtio, unsigned feature);

/* Whether the driver has the device going, and nothing is wrong. */
bool virtio_is_active(const struct virtio *virtio);

/* Interrupts the driver, where it wants to know what was pushed to this queue. */
void virtio_signal(struct virtio *virtio, struct virtqueue *queue);

/* The device changed its configuration. */
void virtio_config_changed(struct virtio *virtio);

/* The driver broke the rules: the device does nothing more until it is reset (2.1.2). */
void virtio_break(struct virtio *virtio);

/* queue_pop(), and virtio_break() where the queue turns out to be broken. */
bool virtio_pop(struct virtio *virtio, struct virtqueue *queue, struct chain *out);

/*
 * Calls `serve` for each chain of a queue and sees to it that none is missed. False from `serve`: it cannot be served
 * now and stays; the device calls again when it can. A driver that makes chains available for ever does not hold the
 * thread: the rest follows by the loop.
 */
void virtio_serve(struct virtio *virtio, unsigned index,
		  bool (*serve)(struct virtio *virtio, unsigned index, struct chain *chain));

/* loop_watch() for ready() with a number below 2^32. False where it cannot be. */
bool virtio_watch(struct virtio *virtio, uint32_t number, int fd, uint32_t events);

/* For transports, with the lock: */
/* The line is up as long as there is a reason that was not acknowledged. */
void virtio_set_interrupts(struct virtio *virtio, uint32_t status);
void virtio_set_status(struct virtio *virtio, uint32_t status);
void virtio_set_features(struct virtio *virtio, uint32_t word, uint32_t bits);
void virtio_enable_queue(struct virtio *virtio, bool on);
void virtio_notify(struct virtio *virtio, uint32_t queue);

#endif
