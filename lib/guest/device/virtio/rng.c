/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "core/cleanup.h"

/* getrandom(2) gives so many bytes without being interrupted; a driver that wants more asks again. */
enum { BYTES_AT_ONCE = 256, QUEUE_SIZE = 16 };

static bool serve(struct virtio *virtio, unsigned index, struct chain *chain)
{
	uint8_t bytes[BYTES_AT_ONCE];
	ssize_t got = getrandom(bytes, sizeof(bytes), GRND_NONBLOCK);
	size_t written = got > 0 ? chain_write(chain, 0, bytes, (size_t)got) : 0;
	queue_push(&virtio->queues[index], chain->head, (uint32_t)written);
	return true;
}

static void notify(struct virtio *virtio, unsigned index)
{
	virtio_serve(virtio, index, serve);
}

static void release(struct virtio *virtio)
{
	free(virtio);
}

int virtio_rng_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, struct virtio **out)
{
	static const struct virtio_ops ops = {.id = VIRTIO_ID_RNG, .notify = notify, .release = release};
	_cleanup_free_ struct virtio *virtio = calloc(1, sizeof(*virtio));
	if (!virtio)
		return -ENOMEM;
	int r = virtio_init(virtio, &ops, ram, interrupt, loop, 0, 1, QUEUE_SIZE);
	if (r < 0)
		return r;
	*out = TAKE_PTR(virtio);
	return 0;
}
