/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues (virtio 1.2, 2.7) as a device sees them. The rings and all that they lead to are the guest's memory,
 * which it may change at any time: each descriptor is copied once, and what was decided of the copy holds. A queue that
 * breaks the rules gives nothing more until the device is reset.
 *
 * The device's lock guards its queues.
 */
#ifndef GUEST_DEVICE_VIRTIO_QUEUE_H
#define GUEST_DEVICE_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "guest/device/ram.h"

enum { QUEUE_SIZE_MAX = 256 };

struct virtqueue_rings;

struct virtqueue {
	/* As the driver sets it up; nothing is looked at before queue_enable(). */
	uint32_t size;
	uint64_t descriptors, driver, device; /* addresses of the three areas */

	uint32_t size_max;
	bool is_ready;
	bool is_broken;
	bool has_event_index, has_indirect;
	uint16_t next_available, next_used;
	uint16_t signalled; /* the value of next_used at the last interrupt */
	const struct ram *ram;
	const void *table;         /* the descriptors */
	const uint16_t *available; /* flags, index, ring, used_event */
	uint16_t *used;            /* flags, index, ring of pairs of 32 bits, avail_event */
};

/* A chain of descriptors: memory of the guest's, at the host's addresses. */
struct chain {
	uint16_t head;
	unsigned readable, writable; /* so many segments; the readable ones are first */
	uint64_t readable_bytes, writable_bytes;
	struct iovec segments[QUEUE_SIZE_MAX];
};

/*
 * The driver has set it up: false where it cannot be so. Sizes are powers of two, addresses aligned and memory. It
 * begins with index 0 in both rings.
 */
bool queue_enable(struct virtqueue *queue, const struct ram *ram, bool has_event_index, bool has_indirect);

/* As after a reset of the device; size_max stays. */
void queue_reset(struct virtqueue *queue);

/* The next chain that the driver has made available: false where there is none, or the queue is broken. */
bool queue_pop(struct virtqueue *queue, struct chain *out);

/* Gives back the last chains that were taken, unused: queue_pop() finds them again. */
void queue_unpop(struct virtqueue *queue, uint16_t count);

/* The chain is used, and `written` bytes of its writable ones were written. Tell the driver by queue_must_signal(). */
void queue_push(struct virtqueue *queue, uint16_t head, uint32_t written);

/* The same of several that the driver must see at once: fills in the one that is `ahead` of the next, and shows them.
 */
void queue_put(struct virtqueue *queue, uint16_t ahead, uint16_t head, uint32_t written);
void queue_show(struct virtqueue *queue, uint16_t count);

/* Whether the driver wants an interrupt for what was pushed since the last time. */
bool queue_must_signal(struct virtqueue *queue);

/* The driver need not notify us from now on: a hint. */
void queue_silence(struct virtqueue *queue);

/* The driver is to notify us again. True where chains have come in the meantime: they need to be looked at now. */
bool queue_listen(struct virtqueue *queue);

/* How many chains wait: a hint, never more than there can be. */
unsigned queue_waiting(const struct virtqueue *queue);

/* Copies out of the readable bytes of a chain, or into its writable ones. How many bytes there were, up to `size`. */
size_t chain_read(const struct chain *chain, uint64_t offset, void *data, size_t size);
size_t chain_write(const struct chain *chain, uint64_t offset, const void *data, size_t size);

/*
 * The readable or writable bytes from `offset` on, up to `size`, as segments of their own. Their number, up to `max`;
 * they are fewer bytes where more would be needed.
 */
unsigned chain_readable(const struct chain *chain, uint64_t offset, uint64_t size, struct iovec *out, unsigned max);
unsigned chain_writable(const struct chain *chain, uint64_t offset, uint64_t size, struct iovec *out, unsigned max);

#endif
