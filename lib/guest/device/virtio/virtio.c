/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/virtio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fd.h"

/* Numbers of the loop above those of virtio_watch() are doorbells. */
static const uint64_t DOORBELL = 1ULL << 32;

static void loop_ready(void *data, uint64_t number, uint32_t events)
{
	struct virtio *virtio = data;
	uint64_t count;
	pthread_mutex_lock(&virtio->lock);
	if (number < DOORBELL) {
		if (virtio->ops->ready)
			virtio->ops->ready(virtio, number, events);
	} else if (read(virtio->doorbells[number - DOORBELL], &count, sizeof(count)) > 0) {
		virtio_notify(virtio, (uint32_t)(number - DOORBELL));
	}
	pthread_mutex_unlock(&virtio->lock);
}

int virtio_init(struct virtio *virtio, const struct virtio_ops *ops, const struct ram *ram, struct interrupt interrupt,
		struct loop *loop, uint64_t features, unsigned queue_count, unsigned queue_size)
{
	virtio->ops = ops;
	virtio->ram = ram;
	virtio->interrupt = interrupt;
	virtio->loop = loop;
	int r = -pthread_mutex_init(&virtio->lock, NULL);
	if (r < 0)
		return r;
	virtio->handler = loop ? loop_add(loop, loop_ready, virtio) : 0;
	if (virtio->handler < 0) {
		pthread_mutex_destroy(&virtio->lock);
		return virtio->handler;
	}
	virtio->offered = features | 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_INDIRECT_DESC |
			  1ULL << VIRTIO_RING_F_EVENT_IDX;
	virtio->queue_count = queue_count;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++) {
		virtio->doorbells[i] = -1;
		virtio->queues[i].size_max = i < queue_count ? queue_size : 0;
	}
	return 0;
}

void virtio_release(struct virtio *virtio)
{
	if (!virtio)
		return;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		close_fd(virtio->doorbells[i]);
	pthread_mutex_destroy(&virtio->lock);
	virtio->ops->release(virtio);
}

void virtio_forget(struct virtio *virtio)
{
	free(virtio);
}

int virtio_start(struct virtio *virtio)
{
	int r = virtio->ops->start ? virtio->ops->start(virtio) : 0;
	if (r < 0)
		return r;
	pthread_mutex_lock(&virtio->lock);
	virtio->is_started = true;
	/* What came while it stood still. */
	for (uint32_t i = 0; i < virtio->queue_count; i++)
		virtio_notify(virtio, i);
	pthread_mutex_unlock(&virtio->lock);
	return 0;
}

void virtio_pause(struct virtio *virtio)
{
	pthread_mutex_lock(&virtio->lock);
	virtio->is_started = false;
	pthread_mutex_unlock(&virtio->lock);
	if (virtio->ops->pause)
		virtio->ops->pause(virtio);
}

void virtio_stop(struct virtio *virtio)
{
	virtio_pause(virtio);
	if (virtio->ops->stop)
		virtio->ops->stop(virtio);
}

int virtio_doorbell(struct virtio *virtio, unsigned queue)
{
	if (virtio->doorbells[queue] >= 0)
		return virtio->doorbells[queue];
	_cleanup_close_ int fd = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (fd < 0)
		return -errno;
	int r = virtio->loop ? loop_watch(virtio->loop, virtio->handler, DOORBELL + queue, fd, EPOLLIN) : 0;
	if (r < 0)
		return r;
	virtio->doorbells[queue] = TAKE_FD(fd);
	return virtio->doorbells[queue];
}

bool virtio_has(const struct virtio *virtio, unsigned feature)
{
	return virtio->accepted >> feature & 1;
}

bool virtio_is_active(const struct virtio *virtio)
{
	return virtio->is_started && (virtio->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET |
							VIRTIO_CONFIG_S_FAILED)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

void virtio_set_interrupts(struct virtio *virtio, uint32_t status)
{
	bool was_high = virtio->interrupt_status != 0;
	virtio->interrupt_status = status;
	if (was_high != (status != 0))
		interrupt_set(&virtio->interrupt, !was_high);
}

static void interrupt_driver(struct virtio *virtio, uint32_t reason)
{
	virtio->interrupts++;
	virtio_set_interrupts(virtio, virtio->interrupt_status | reason);
}

void virtio_signal(struct virtio *virtio, struct virtqueue *queue)
{
	if (queue_must_signal(queue))
		interrupt_driver(virtio, VIRTIO_MMIO_INT_VRING);
}

void virtio_config_changed(struct virtio *virtio)
{
	virtio->generation++;
	if (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt_driver(virtio, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_break(struct virtio *virtio)
{
	if (virtio->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	virtio->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	virtio_config_changed(virtio);
}

bool virtio_pop(struct virtio *virtio, struct virtqueue *queue, struct chain *out)
{
	if (queue_pop(queue, out))
		return true;
	if (queue->is_broken)
		virtio_break(virtio);
	return false;
}

/* Comes back to the queue by the loop. Where there is no fd for it, the driver's next notification has to do. */
static void serve_later(struct virtio *virtio, unsigned index)
{
	const uint64_t one = 1;
	int fd = virtio->loop ? virtio_doorbell(virtio, index) : -1;
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return; /* it is full: rung already */
}

void virtio_serve(struct virtio *virtio, unsigned index,
		  bool (*serve)(struct virtio *virtio, unsigned index, struct chain *chain))
{
	struct virtqueue *queue = &virtio->queues[index];
	unsigned rest = 2 * QUEUE_SIZE_MAX;
	struct chain chain;
	bool is_held = false;
	queue_silence(queue);
	do {
		while (!is_held && rest > 0 && virtio_is_active(virtio) && virtio_pop(virtio, queue, &chain)) {
			rest--;
			is_held = !serve(virtio, index, &chain);
		}
		if (is_held)
			queue_unpop(queue, 1);
		else if (rest == 0)
			serve_later(virtio, index);
	} while (!is_held && rest > 0 && virtio_is_active(virtio) && queue_listen(queue));
	virtio_signal(virtio, queue);
}

bool virtio_watch(struct virtio *virtio, uint32_t number, int fd, uint32_t events)
{
	return virtio->loop && loop_watch(virtio->loop, virtio->handler, number, fd, events) == 0;
}

static void reset(struct virtio *virtio)
{
	/* From here on nothing is active; the device may give the lock away to wait for what is under way. */
	virtio->status = 0;
	if (virtio->ops->reset)
		virtio->ops->reset(virtio);
	for (unsigned i = 0; i < virtio->queue_count; i++)
		queue_reset(&virtio->queues[i]);
	virtio->status = 0;
	virtio->accepted = 0;
	virtio->has_accepted_beyond = false;
	virtio_set_interrupts(virtio, 0);
	virtio->device_feature_word = virtio->driver_feature_word = virtio->queue_select = 0;
}

void virtio_set_status(struct virtio *virtio, uint32_t status)
{
	enum {
		SETTABLE = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
			   VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED
	};
	uint8_t old = virtio->status;
	if (status == 0) {
		reset(virtio);
		return;
	}
	/* The driver may only add (2.1.1); what it may not add stays away, which it is to look for (3.1.1). */
	uint8_t added = (uint8_t)(status & SETTABLE & (uint8_t)~old);
	bool is_acceptable = !(virtio->accepted & ~virtio->offered) && !virtio->has_accepted_beyond &&
			     virtio_has(virtio, VIRTIO_F_VERSION_1);
	if (!is_acceptable)
		added &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!((old | added) & VIRTIO_CONFIG_S_FEATURES_OK))
		added &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	virtio->status |= added;
	if (!(added & VIRTIO_CONFIG_S_DRIVER_OK) || !virtio_is_active(virtio))
		return;
	if (virtio->ops->activate)
		virtio->ops->activate(virtio);
	for (uint32_t i = 0; i < virtio->queue_count; i++)
		virtio_notify(virtio, i);
}

void virtio_set_features(struct virtio *virtio, uint32_t word, uint32_t bits)
{
	if (virtio->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	if (word > 1) {
		virtio->has_accepted_beyond |= bits != 0;
		return;
	}
	virtio->accepted &= ~(0xffffffffULL << (32 * word));
	virtio->accepted |= (uint64_t)bits << (32 * word);
}

void virtio_enable_queue(struct virtio *virtio, bool on)
{
	if (virtio->queue_select >= virtio->queue_count ||
	    (virtio->status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)) != VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	struct virtqueue *queue = &virtio->queues[virtio->queue_select];
	if (!on)
		queue_reset(queue);
	else if (!queue->is_ready && !queue_enable(queue, virtio->ram, virtio_has(virtio, VIRTIO_RING_F_EVENT_IDX),
						   virtio_has(virtio, VIRTIO_RING_F_INDIRECT_DESC)))
		virtio_break(virtio);
}

void virtio_notify(struct virtio *virtio, uint32_t queue)
{
	if (queue >= virtio->queue_count || !virtio_is_active(virtio) || !virtio->queues[queue].is_ready)
		return;
	virtio->notifications++;
	virtio->ops->notify(virtio, queue);
}
