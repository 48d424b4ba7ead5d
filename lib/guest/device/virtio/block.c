/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/block.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/thread.h"

enum {
	QUEUE_SIZE = 128,
	SEGMENTS_MAX = QUEUE_SIZE - 2, /* beside header and status */
	REQUEST_MAX = 64 << 20,        /* bytes; a driver asks for less, and who stops a guest waits for one request */
	RANGES_MAX = 16,               /* of a discard */
	RANGE_SECTORS_MAX = 1 << 16,
	SIGNAL_NS = 500000, /* no request that is done waits longer for those behind it */
};

struct block {
	struct virtio virtio; /* first, see release() */
	struct disk *disk;
	char id[BLOCK_ID_MAX];
	pthread_t thread;
	bool has_thread;
	atomic_bool is_stopping;
	pthread_cond_t is_idle; /* with the device's lock */
	bool is_busy;           /* the thread serves a request, without the lock */
	struct chain chain;     /* that request */
};

static struct block *block_of(struct virtio *virtio)
{
	return (struct block *)virtio;
}

static bool is_transfer(uint64_t sector, uint64_t size)
{
	return size <= REQUEST_MAX && size % DISK_SECTOR == 0 && sector <= UINT64_MAX / DISK_SECTOR;
}

static uint8_t read_sectors(struct block *block, uint64_t sector)
{
	struct iovec parts[QUEUE_SIZE_MAX];
	uint64_t size = block->chain.writable_bytes - 1;
	if (!is_transfer(sector, size))
		return VIRTIO_BLK_S_IOERR;
	unsigned count = chain_writable(&block->chain, 0, size, parts, QUEUE_SIZE_MAX);
	return disk_readv(block->disk, sector * DISK_SECTOR, parts, (int)count) < 0 ? VIRTIO_BLK_S_IOERR
										    : VIRTIO_BLK_S_OK;
}

static uint8_t write_sectors(struct block *block, uint64_t sector)
{
	struct iovec parts[QUEUE_SIZE_MAX];
	uint64_t size = block->chain.readable_bytes - sizeof(struct virtio_blk_outhdr);
	if (!is_transfer(sector, size))
		return VIRTIO_BLK_S_IOERR;
	unsigned count = chain_readable(&block->chain, sizeof(struct virtio_blk_outhdr), size, parts, QUEUE_SIZE_MAX);
	return disk_writev(block->disk, sector * DISK_SECTOR, parts, (int)count) < 0 ? VIRTIO_BLK_S_IOERR
										     : VIRTIO_BLK_S_OK;
}

/* Of a copy: one range of a discard, or of zeroes to be written (5.2.6.2). */
static uint8_t zero_range(struct block *block, bool is_discard, const struct virtio_blk_discard_write_zeroes *range)
{
	if ((range->flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) || (is_discard && range->flags))
		return VIRTIO_BLK_S_UNSUPP;
	if (range->num_sectors > RANGE_SECTORS_MAX || range->sector > UINT64_MAX / DISK_SECTOR)
		return VIRTIO_BLK_S_IOERR;
	bool is_room_given_back = is_discard || (range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	int r = disk_zero(block->disk, range->sector * DISK_SECTOR, (uint64_t)range->num_sectors * DISK_SECTOR,
			  is_room_given_back);
	return r < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

static uint8_t zero_sectors(struct block *block, bool is_discard)
{
	struct virtio_blk_discard_write_zeroes ranges[RANGES_MAX];
	uint64_t size = block->chain.readable_bytes - sizeof(struct virtio_blk_outhdr);
	uint8_t status = VIRTIO_BLK_S_OK;
	if (size == 0 || size > sizeof(ranges) || size % sizeof(ranges[0]) != 0)
		return VIRTIO_BLK_S_IOERR;
	chain_read(&block->chain, sizeof(struct virtio_blk_outhdr), ranges, (size_t)size);
	for (size_t i = 0; status == VIRTIO_BLK_S_OK && i < size / sizeof(ranges[0]); i++)
		status = zero_range(block, is_discard, &ranges[i]);
	return status;
}

static uint8_t give_id(struct block *block)
{
	if (block->chain.writable_bytes - 1 < sizeof(block->id))
		return VIRTIO_BLK_S_IOERR;
	chain_write(&block->chain, 0, block->id, sizeof(block->id));
	return VIRTIO_BLK_S_OK;
}

/* Without the lock. The last byte that can be written is the status (5.2.6). */
static uint8_t serve(struct block *block)
{
	struct virtio_blk_outhdr header;
	chain_read(&block->chain, 0, &header, sizeof(header));
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		return read_sectors(block, header.sector);
	case VIRTIO_BLK_T_OUT:
		return write_sectors(block, header.sector);
	case VIRTIO_BLK_T_FLUSH:
		return disk_flush(block->disk) < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		return give_id(block);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return zero_sectors(block, header.type == VIRTIO_BLK_T_DISCARD);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* With the lock, which is given away for the request's time. */
static void serve_one(struct block *block)
{
	struct virtio *virtio = &block->virtio;
	struct chain *chain = &block->chain;
	if (chain->readable_bytes < sizeof(struct virtio_blk_outhdr) || chain->writable_bytes == 0 ||
	    chain->writable_bytes > UINT32_MAX) {
		virtio_break(virtio);
		return;
	}
	block->is_busy = true;
	pthread_mutex_unlock(&virtio->lock);
	uint8_t status = serve(block);
	chain_write(chain, chain->writable_bytes - 1, &status, sizeof(status));
	pthread_mutex_lock(&virtio->lock);
	block->is_busy = false;
	pthread_cond_broadcast(&block->is_idle);
	/* A reset has taken the status away and waits. */
	if (virtio->status & VIRTIO_CONFIG_S_DRIVER_OK)
		queue_push(&virtio->queues[0], chain->head, (uint32_t)chain->writable_bytes);
}

static int64_t now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void serve_all(struct block *block)
{
	struct virtio *virtio = &block->virtio;
	struct virtqueue *queue = &virtio->queues[0];
	int64_t last = now();
	if (!virtio_is_active(virtio))
		return;
	queue_silence(queue);
	do {
		while (!atomic_load(&block->is_stopping) && virtio_is_active(virtio) &&
		       virtio_pop(virtio, queue, &block->chain)) {
			serve_one(block);
			if (now() - last < SIGNAL_NS)
				continue;
			virtio_signal(virtio, queue);
			last = now();
		}
	} while (!atomic_load(&block->is_stopping) && virtio_is_active(virtio) && queue_listen(queue));
	virtio_signal(virtio, queue);
}

void virtio_block_serve(struct virtio *virtio)
{
	pthread_mutex_lock(&virtio->lock);
	serve_all(block_of(virtio));
	pthread_mutex_unlock(&virtio->lock);
}

static void *run(void *data)
{
	struct block *block = data;
	struct pollfd poll_fd = {.fd = block->virtio.doorbells[0], .events = POLLIN};
	uint64_t count;
	pthread_setname_np(pthread_self(), "viso-block");
	while (!atomic_load(&block->is_stopping)) {
		poll(&poll_fd, 1, -1);
		if (read(poll_fd.fd, &count, sizeof(count)) > 0)
			virtio_block_serve(&block->virtio);
	}
	return NULL;
}

static void notify(struct virtio *virtio, unsigned index)
{
	const uint64_t one = 1;
	if (write(virtio->doorbells[0], &one, sizeof(one)) < 0)
		return; /* it is full: rung already */
}

static void await_idle(struct virtio *virtio)
{
	struct block *block = block_of(virtio);
	while (block->is_busy)
		pthread_cond_wait(&block->is_idle, &virtio->lock);
}

static int start(struct virtio *virtio)
{
	struct block *block = block_of(virtio);
	if (block->has_thread)
		return 0;
	atomic_store(&block->is_stopping, false);
	int r = thread_start(&block->thread, run, block);
	block->has_thread = r == 0;
	return r;
}

static void pause_requests(struct virtio *virtio)
{
	pthread_mutex_lock(&virtio->lock);
	await_idle(virtio);
	pthread_mutex_unlock(&virtio->lock);
}

static void stop(struct virtio *virtio)
{
	struct block *block = block_of(virtio);
	if (!block->has_thread)
		return;
	atomic_store(&block->is_stopping, true);
	notify(virtio, 0);
	pthread_join(block->thread, NULL);
	block->has_thread = false;
}

static void release(struct virtio *virtio)
{
	struct block *block = block_of(virtio);
	pthread_cond_destroy(&block->is_idle);
	disk_close(block->disk);
	free(block);
}

static void fill_config(struct virtio *virtio, const struct disk *disk)
{
	const struct virtio_blk_config config = {
		.capacity = disk_size(disk) / DISK_SECTOR,
		.seg_max = SEGMENTS_MAX,
		.blk_size = DISK_SECTOR,
		.physical_block_exp = 3, /* 4 KiB, as host file systems have it */
		.min_io_size = 8,
		.max_discard_sectors = RANGE_SECTORS_MAX,
		.max_discard_seg = RANGES_MAX,
		.discard_sector_alignment = 8,
		.max_write_zeroes_sectors = RANGE_SECTORS_MAX,
		.max_write_zeroes_seg = RANGES_MAX,
		.write_zeroes_may_unmap = 1,
	};
	virtio->config_size = sizeof(config) < VIRTIO_CONFIG_MAX ? sizeof(config) : VIRTIO_CONFIG_MAX;
	memcpy(virtio->config, &config, virtio->config_size);
}

int virtio_block_new(const struct ram *ram, struct interrupt interrupt, struct disk *disk, const char *id,
		     struct virtio **out)
{
	static const struct virtio_ops ops = {.id = VIRTIO_ID_BLOCK,
					      .notify = notify,
					      .reset = await_idle,
					      .start = start,
					      .pause = pause_requests,
					      .stop = stop,
					      .release = release};
	uint64_t features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
			    1ULL << VIRTIO_BLK_F_TOPOLOGY | 1ULL << VIRTIO_BLK_F_FLUSH;
	features |= disk_is_read_only(disk) ? 1ULL << VIRTIO_BLK_F_RO
					    : 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	struct block *block = calloc(1, sizeof(*block));
	int r = block ? virtio_init(&block->virtio, &ops, ram, interrupt, NULL, features, 1, QUEUE_SIZE) : -ENOMEM;
	if (r < 0) {
		disk_close(disk);
		free(block);
		return r;
	}
	block->disk = disk;
	memcpy(block->id, id, strnlen(id, BLOCK_ID_MAX));
	pthread_cond_init(&block->is_idle, NULL);
	fill_config(&block->virtio, disk);
	r = virtio_doorbell(&block->virtio, 0);
	if (r < 0) {
		virtio_release(&block->virtio);
		return r;
	}
	*out = &block->virtio;
	return 0;
}
