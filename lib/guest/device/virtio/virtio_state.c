/* SPDX-License-Identifier: MIT */
/* What all virtio devices have in common, as bytes. The rings themselves are in the guest's memory. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "core/error.h"
#include "guest/device/virtio/virtio.h"

enum {
	STATUS_ALL = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK |
		     VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED,
	INTERRUPTS_ALL = VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG,
};

struct queue_state {
	uint64_t descriptors, driver, device;
	uint32_t size;
	uint16_t next_available, next_used, signalled;
	uint8_t is_ready, is_broken;
	uint8_t unused[4];
};

struct virtio_state {
	uint64_t accepted;
	uint32_t id, status, interrupt_status, generation;
	uint32_t device_feature_word, driver_feature_word, queue_select;
	uint32_t queue_count, config_size, has_accepted_beyond;
	uint8_t config[VIRTIO_CONFIG_MAX];
};

static void put_queue(const struct virtqueue *queue, struct state_writer *out)
{
	const struct queue_state state = {
		.descriptors = queue->descriptors,
		.driver = queue->driver,
		.device = queue->device,
		.size = queue->size,
		.next_available = queue->next_available,
		.next_used = queue->next_used,
		.signalled = queue->signalled,
		.is_ready = queue->is_ready,
		.is_broken = queue->is_broken,
	};
	state_put(out, &state, sizeof(state));
}

static void put_common(const struct virtio *virtio, struct state_writer *out)
{
	struct virtio_state state = {
		.accepted = virtio->accepted,
		.id = virtio->ops->id,
		.status = virtio->status,
		.interrupt_status = virtio->interrupt_status,
		.generation = virtio->generation,
		.device_feature_word = virtio->device_feature_word,
		.driver_feature_word = virtio->driver_feature_word,
		.queue_select = virtio->queue_select,
		.queue_count = virtio->queue_count,
		.config_size = virtio->config_size,
		.has_accepted_beyond = virtio->has_accepted_beyond,
	};
	memcpy(state.config, virtio->config, sizeof(state.config));
	state_put(out, &state, sizeof(state));
	for (unsigned i = 0; i < virtio->queue_count; i++)
		put_queue(&virtio->queues[i], out);
}

int virtio_save(struct virtio *virtio, struct state_writer *out)
{
	pthread_mutex_lock(&virtio->lock);
	put_common(virtio, out);
	int r = virtio->ops->save ? virtio->ops->save(virtio, out) : 0;
	pthread_mutex_unlock(&virtio->lock);
	return r;
}

/* A queue that is in use is set up as its driver did, with the same checks, and goes on where it was. */
static bool get_queue(const struct virtio *virtio, struct virtqueue *queue, struct state_reader *in)
{
	struct queue_state state;
	if (!state_get(in, &state, sizeof(state)) || state.is_ready > 1 || state.is_broken > 1)
		return false;
	queue->descriptors = state.descriptors;
	queue->driver = state.driver;
	queue->device = state.device;
	queue->size = state.size;
	if (!state.is_ready)
		return !state.is_broken;
	if (!(virtio->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	    !queue_enable(queue, virtio->ram, virtio_has(virtio, VIRTIO_RING_F_EVENT_IDX),
			  virtio_has(virtio, VIRTIO_RING_F_INDIRECT_DESC)))
		return false;
	queue->next_available = state.next_available;
	queue->next_used = state.next_used;
	queue->signalled = state.signalled;
	queue->is_broken = state.is_broken;
	return true;
}

/* What the status says must be what a driver can have come to, see virtio_set_status(). */
static bool is_status(const struct virtio_state *state)
{
	if (!(state->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return !(state->status & VIRTIO_CONFIG_S_DRIVER_OK);
	return !state->has_accepted_beyond && (state->accepted >> VIRTIO_F_VERSION_1 & 1);
}

/* Features that this device does not offer, because what is behind it is of another kind now. */
static int check_features(const struct virtio *virtio, const struct virtio_state *state)
{
	if (!(state->status & VIRTIO_CONFIG_S_FEATURES_OK) || !(state->accepted & ~virtio->offered))
		return 0;
	return error_fail(VISO_STAGE_GUEST, EINVAL, "features",
			  "the guest's driver uses features of a device (virtio %u: 0x%llx) that the one in its place "
			  "does not have; give it the same kind as the guest of the snapshot had",
			  state->id, (unsigned long long)(state->accepted & ~virtio->offered));
}

static int get_common(struct virtio *virtio, struct state_reader *in)
{
	struct virtio_state state;
	if (!state_get(in, &state, sizeof(state)) || state.id != virtio->ops->id ||
	    state.queue_count != virtio->queue_count || state.config_size != virtio->config_size ||
	    (state.status & ~STATUS_ALL) || (state.interrupt_status & ~INTERRUPTS_ALL) ||
	    state.has_accepted_beyond > 1 || !is_status(&state))
		return state_damaged("virtio device");
	int r = check_features(virtio, &state);
	if (r < 0)
		return r;
	virtio->accepted = state.accepted;
	virtio->has_accepted_beyond = state.has_accepted_beyond;
	virtio->status = (uint8_t)state.status;
	virtio->generation = state.generation;
	virtio->device_feature_word = state.device_feature_word;
	virtio->driver_feature_word = state.driver_feature_word;
	virtio->queue_select = state.queue_select;
	memcpy(virtio->config, state.config, virtio->config_size);
	for (unsigned i = 0; i < virtio->queue_count; i++)
		if (!get_queue(virtio, &virtio->queues[i], in))
			return state_damaged("queues");
	virtio_set_interrupts(virtio, state.interrupt_status);
	return 0;
}

int virtio_load(struct virtio *virtio, struct state_reader *in)
{
	uint8_t config[VIRTIO_CONFIG_MAX];
	pthread_mutex_lock(&virtio->lock);
	memcpy(config, virtio->config, sizeof(config));
	int r = get_common(virtio, in);
	if (r == 0 && virtio->ops->load)
		r = virtio->ops->load(virtio, config, in);
	pthread_mutex_unlock(&virtio->lock);
	return r;
}
