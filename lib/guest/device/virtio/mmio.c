/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/mmio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <string.h>

enum { MAGIC = 0x74726976, VERSION = 2, VENDOR = 0x4f534956 /* "VISO" */ };

static const struct virtqueue *selected(const struct virtio *virtio)
{
	static const struct virtqueue none;
	return virtio->queue_select < virtio->queue_count ? &virtio->queues[virtio->queue_select] : &none;
}

static uint32_t read_register(const struct virtio *virtio, uint64_t offset)
{
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return virtio->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return virtio->device_feature_word > 1
			       ? 0
			       : (uint32_t)(virtio->offered >> (32 * virtio->device_feature_word));
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return selected(virtio)->size_max;
	case VIRTIO_MMIO_QUEUE_READY:
		return selected(virtio)->is_ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return virtio->interrupt_status;
	case VIRTIO_MMIO_STATUS:
		return virtio->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX; /* there is no such region (4.2.2) */
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return virtio->generation;
	default:
		return 0;
	}
}

static void read_any(void *device, uint64_t offset, void *data, unsigned size)
{
	struct virtio *virtio = device;
	pthread_mutex_lock(&virtio->lock);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		uint64_t place = offset - VIRTIO_MMIO_CONFIG;
		memset(data, 0, size);
		if (place < virtio->config_size) {
			uint64_t rest = virtio->config_size - place;
			memcpy(data, virtio->config + place, rest < size ? rest : size);
		}
	} else if (size == 4 && offset % 4 == 0) {
		/* Other widths are not to be used (4.2.2.2), and give ones. */
		bus_put(data, size, read_register(virtio, offset));
	}
	pthread_mutex_unlock(&virtio->lock);
}

static void set_half(uint64_t *address, bool is_high, uint32_t value)
{
	*address =
		is_high ? (*address & UINT32_MAX) | (uint64_t)value << 32 : (*address & ~(uint64_t)UINT32_MAX) | value;
}

/* Of a queue that is not ready, and only before the device works: afterwards its configuration is fixed. */
static void write_queue(struct virtio *virtio, uint64_t offset, uint32_t value)
{
	if (virtio->queue_select >= virtio->queue_count || (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	struct virtqueue *queue = &virtio->queues[virtio->queue_select];
	if (queue->is_ready)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		queue->size = value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&queue->descriptors, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&queue->driver, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&queue->device, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		break;
	default:
		break;
	}
}

static void write_register(struct virtio *virtio, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		virtio->device_feature_word = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		virtio_set_features(virtio, virtio->driver_feature_word, value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		virtio->driver_feature_word = value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		virtio->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		virtio_enable_queue(virtio, value == 1);
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		virtio_notify(virtio, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		virtio_set_interrupts(virtio, virtio->interrupt_status & ~value);
		break;
	case VIRTIO_MMIO_STATUS:
		virtio_set_status(virtio, value);
		break;
	default:
		write_queue(virtio, offset, value);
		break;
	}
}

static void write_any(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct virtio *virtio = device;
	pthread_mutex_lock(&virtio->lock);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		uint64_t place = offset - VIRTIO_MMIO_CONFIG;
		if (virtio->ops->write_config && place < virtio->config_size && size <= virtio->config_size - place)
			virtio->ops->write_config(virtio, (unsigned)place, data, size);
	} else if (size == 4 && offset % 4 == 0) {
		write_register(virtio, offset, (uint32_t)bus_get(data, size));
	}
	pthread_mutex_unlock(&virtio->lock);
}

const struct bus_ops virtio_mmio_ops = {.read = read_any, .write = write_any};
