/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/queue.h"

#include <linux/virtio_ring.h>
#include <stdatomic.h>
#include <string.h>

/* What virtio 1.2 calls struct virtq_desc; little-endian, as the host is. */
struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

_Static_assert(sizeof(struct descriptor) == sizeof(struct vring_desc), "the descriptor of virtio 1.2, 2.7.5");

/* Of both rings, in 16 bits. */
enum { RING_FLAGS = 0, RING_INDEX = 1, RING_ENTRIES = 2 };

static uint16_t load(const uint16_t *shared)
{
	return __atomic_load_n(shared, __ATOMIC_ACQUIRE);
}

static void store(uint16_t *shared, uint16_t value)
{
	__atomic_store_n(shared, value, __ATOMIC_RELEASE);
}

/* Behind the last entry of the available ring: from which used index on the driver wants an interrupt. */
static const uint16_t *used_event(const struct virtqueue *queue)
{
	return queue->available + RING_ENTRIES + queue->size;
}

/* Behind the last pair of the used ring. */
static uint16_t *available_event(const struct virtqueue *queue)
{
	return queue->used + RING_ENTRIES + 4 * (size_t)queue->size;
}

static void *area(const struct ram *ram, uint64_t address, uint64_t size, uint64_t alignment)
{
	return address % alignment ? NULL : ram_at(ram, address, size);
}

bool queue_enable(struct virtqueue *queue, const struct ram *ram, bool has_event_index, bool has_indirect)
{
	uint64_t size = queue->size;
	if (size == 0 || size > queue->size_max || (size & (size - 1)) != 0)
		return false;
	/* Virtio 1.2, 2.7: sizes with the two event fields, and alignments. */
	const void *table = area(ram, queue->descriptors, 16 * size, 16);
	const uint16_t *available = area(ram, queue->driver, 6 + 2 * size, 2);
	uint16_t *used = area(ram, queue->device, 6 + 8 * size, 4);
	if (!table || !available || !used)
		return false;
	queue->table = table;
	queue->available = available;
	queue->used = used;
	queue->ram = ram;
	queue->has_event_index = has_event_index;
	queue->has_indirect = has_indirect;
	queue->next_available = queue->next_used = queue->signalled = 0;
	queue->is_broken = false;
	queue->is_ready = true;
	return true;
}

void queue_reset(struct virtqueue *queue)
{
	*queue = (struct virtqueue){.size_max = queue->size_max};
}

/* The guest's bytes once, and never again: the barrier keeps the compiler from reading there a second time. */
static struct descriptor copy_descriptor(const void *table, uint16_t index)
{
	struct descriptor descriptor;
	memcpy(&descriptor, (const uint8_t *)table + (size_t)index * sizeof(descriptor), sizeof(descriptor));
	atomic_signal_fence(memory_order_seq_cst);
	return descriptor;
}

static bool add_segment(const struct virtqueue *queue, struct chain *chain, const struct descriptor *descriptor)
{
	bool is_writable = descriptor->flags & VRING_DESC_F_WRITE;
	unsigned count = chain->readable + chain->writable;
	if (count == queue->size || (!is_writable && chain->writable > 0))
		return false;
	void *host = ram_at(queue->ram, descriptor->address, descriptor->length);
	if (!host)
		return false;
	chain->segments[count] = (struct iovec){.iov_base = host, .iov_len = descriptor->length};
	*(is_writable ? &chain->writable : &chain->readable) += 1;
	*(is_writable ? &chain->writable_bytes : &chain->readable_bytes) += descriptor->length;
	return true;
}

/*
 * Follows a table from `index` on. No more steps than the queue has entries, which also ends a loop (2.7.5.3.1: no
 * chain is longer than the queue).
 */
static bool walk(const struct virtqueue *queue, const void *table, uint32_t table_size, uint16_t index,
		 bool is_indirect, struct chain *chain)
{
	for (uint32_t steps = 0; steps < queue->size; steps++) {
		if (index >= table_size)
			return false;
		struct descriptor descriptor = copy_descriptor(table, index);
		if (descriptor.flags & VRING_DESC_F_INDIRECT) {
			const void *further = ram_at(queue->ram, descriptor.address, descriptor.length);
			uint32_t entries = descriptor.length / sizeof(descriptor);
			if (is_indirect || !queue->has_indirect || (descriptor.flags & VRING_DESC_F_NEXT) || !further ||
			    entries == 0 || entries > queue->size || descriptor.length % sizeof(descriptor) != 0)
				return false;
			return walk(queue, further, entries, 0, true, chain);
		}
		if (!add_segment(queue, chain, &descriptor))
			return false;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return true;
		index = descriptor.next;
	}
	return false;
}

bool queue_pop(struct virtqueue *queue, struct chain *out)
{
	if (!queue->is_ready || queue->is_broken)
		return false;
	uint16_t waiting = (uint16_t)(load(&queue->available[RING_INDEX]) - queue->next_available);
	if (waiting == 0)
		return false;
	uint16_t place = queue->next_available & (uint16_t)(queue->size - 1);
	out->head = load(&queue->available[RING_ENTRIES + place]);
	out->readable = out->writable = 0;
	out->readable_bytes = out->writable_bytes = 0;
	if (waiting > queue->size || !walk(queue, queue->table, queue->size, out->head, false, out)) {
		queue->is_broken = true;
		return false;
	}
	queue->next_available++;
	return true;
}

void queue_unpop(struct virtqueue *queue, uint16_t count)
{
	queue->next_available -= count;
}

void queue_put(struct virtqueue *queue, uint16_t ahead, uint16_t head, uint32_t written)
{
	if (!queue->is_ready || queue->is_broken)
		return;
	const uint32_t element[2] = {head, written};
	uint16_t place = (uint16_t)(queue->next_used + ahead) & (uint16_t)(queue->size - 1);
	memcpy(queue->used + RING_ENTRIES + 4 * (size_t)place, element, sizeof(element));
}

void queue_show(struct virtqueue *queue, uint16_t count)
{
	if (!queue->is_ready || queue->is_broken)
		return;
	queue->next_used += count;
	store(&queue->used[RING_INDEX], queue->next_used);
}

void queue_push(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	queue_put(queue, 0, head, written);
	queue_show(queue, 1);
}

bool queue_must_signal(struct virtqueue *queue)
{
	if (!queue->is_ready || queue->is_broken || queue->next_used == queue->signalled)
		return false;
	/* What was pushed must be seen before we look whether somebody waits for it (2.7.7.2). */
	atomic_thread_fence(memory_order_seq_cst);
	uint16_t last = queue->signalled;
	queue->signalled = queue->next_used;
	if (queue->has_event_index)
		return vring_need_event(load(used_event(queue)), queue->next_used, last);
	return !(load(&queue->available[RING_FLAGS]) & VRING_AVAIL_F_NO_INTERRUPT);
}

void queue_silence(struct virtqueue *queue)
{
	/* With event indices the driver is silent by itself as long as avail_event stays where it is. */
	if (queue->is_ready && !queue->has_event_index)
		store(&queue->used[RING_FLAGS], VRING_USED_F_NO_NOTIFY);
}

bool queue_listen(struct virtqueue *queue)
{
	if (!queue->is_ready || queue->is_broken)
		return false;
	if (queue->has_event_index)
		store(available_event(queue), queue->next_available);
	else
		store(&queue->used[RING_FLAGS], 0);
	/* The driver must see it before we look for the last time. */
	atomic_thread_fence(memory_order_seq_cst);
	return load(&queue->available[RING_INDEX]) != queue->next_available;
}

unsigned queue_waiting(const struct virtqueue *queue)
{
	if (!queue->is_ready || queue->is_broken)
		return 0;
	uint16_t waiting = (uint16_t)(load(&queue->available[RING_INDEX]) - queue->next_available);
	return waiting > queue->size ? 0 : waiting;
}

static unsigned parts(const struct iovec *segments, unsigned count, uint64_t offset, uint64_t size, struct iovec *out,
		      unsigned max)
{
	unsigned found = 0;
	for (unsigned i = 0; i < count && size > 0 && found < max; i++) {
		uint64_t length = segments[i].iov_len;
		if (offset >= length) {
			offset -= length;
			continue;
		}
		length -= offset;
		length = length < size ? length : size;
		out[found++] = (struct iovec){(uint8_t *)segments[i].iov_base + offset, length};
		offset = 0;
		size -= length;
	}
	return found;
}

unsigned chain_readable(const struct chain *chain, uint64_t offset, uint64_t size, struct iovec *out, unsigned max)
{
	return parts(chain->segments, chain->readable, offset, size, out, max);
}

unsigned chain_writable(const struct chain *chain, uint64_t offset, uint64_t size, struct iovec *out, unsigned max)
{
	return parts(chain->segments + chain->readable, chain->writable, offset, size, out, max);
}

size_t chain_read(const struct chain *chain, uint64_t offset, void *data, size_t size)
{
	size_t done = 0;
	struct iovec part;
	while (done < size && chain_readable(chain, offset + done, size - done, &part, 1)) {
		memcpy((uint8_t *)data + done, part.iov_base, part.iov_len);
		done += part.iov_len;
	}
	atomic_signal_fence(memory_order_seq_cst);
	return done;
}

size_t chain_write(const struct chain *chain, uint64_t offset, const void *data, size_t size)
{
	size_t done = 0;
	struct iovec part;
	while (done < size && chain_writable(chain, offset + done, size - done, &part, 1)) {
		memcpy(part.iov_base, (const uint8_t *)data + done, part.iov_len);
		done += part.iov_len;
	}
	return done;
}
