/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/block.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/device/virtio/worker.h"

enum {
	QUEUE_SIZE = 128,
	SEGMENTS_MAX = QUEUE_SIZE - 2, /* beside header and status */
	REQUEST_MAX = 64 << 20,        /* bytes; a driver asks for less, and who stops a guest waits for one request */
	RANGES_MAX = 16,               /* of a discard */
	RANGE_SECTORS_MAX = 1 << 16,
};

struct block {
	struct worker worker; /* first, see release() */
	struct disk *disk;
	char id[BLOCK_ID_MAX];
};

static bool is_transfer(uint64_t sector, uint64_t size)
{
	return size <= REQUEST_MAX && size % DISK_SECTOR == 0 && sector <= UINT64_MAX / DISK_SECTOR;
}

static uint8_t read_sectors(struct block *block, const struct chain *chain, uint64_t sector)
{
	struct iovec parts[QUEUE_SIZE_MAX];
	uint64_t size = chain->writable_bytes - 1;
	if (!is_transfer(sector, size))
		return VIRTIO_BLK_S_IOERR;
	unsigned count = chain_writable(chain, 0, size, parts, QUEUE_SIZE_MAX);
	return disk_readv(block->disk, sector * DISK_SECTOR, parts, (int)count) < 0 ? VIRTIO_BLK_S_IOERR
										    : VIRTIO_BLK_S_OK;
}

static uint8_t write_sectors(struct block *block, const struct chain *chain, uint64_t sector)
{
	struct iovec parts[QUEUE_SIZE_MAX];
	uint64_t size = chain->readable_bytes - sizeof(struct virtio_blk_outhdr);
	if (!is_transfer(sector, size))
		return VIRTIO_BLK_S_IOERR;
	unsigned count = chain_readable(chain, sizeof(struct virtio_blk_outhdr), size, parts, QUEUE_SIZE_MAX);
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

static uint8_t zero_sectors(struct block *block, const struct chain *chain, bool is_discard)
{
	struct virtio_blk_discard_write_zeroes ranges[RANGES_MAX];
	uint64_t size = chain->readable_bytes - sizeof(struct virtio_blk_outhdr);
	uint8_t status = VIRTIO_BLK_S_OK;
	if (size == 0 || size > sizeof(ranges) || size % sizeof(ranges[0]) != 0)
		return VIRTIO_BLK_S_IOERR;
	chain_read(chain, sizeof(struct virtio_blk_outhdr), ranges, (size_t)size);
	for (size_t i = 0; status == VIRTIO_BLK_S_OK && i < size / sizeof(ranges[0]); i++)
		status = zero_range(block, is_discard, &ranges[i]);
	return status;
}

static uint8_t give_id(struct block *block, const struct chain *chain)
{
	if (chain->writable_bytes - 1 < sizeof(block->id))
		return VIRTIO_BLK_S_IOERR;
	chain_write(chain, 0, block->id, sizeof(block->id));
	return VIRTIO_BLK_S_OK;
}

static uint8_t serve_request(struct block *block, const struct chain *chain)
{
	struct virtio_blk_outhdr header;
	chain_read(chain, 0, &header, sizeof(header));
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		return read_sectors(block, chain, header.sector);
	case VIRTIO_BLK_T_OUT:
		return write_sectors(block, chain, header.sector);
	case VIRTIO_BLK_T_FLUSH:
		return disk_flush(block->disk) < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		return give_id(block, chain);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return zero_sectors(block, chain, header.type == VIRTIO_BLK_T_DISCARD);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* The last byte that can be written is the status (5.2.6). */
static int64_t serve(struct worker *worker, unsigned queue, const struct chain *chain)
{
	if (chain->readable_bytes < sizeof(struct virtio_blk_outhdr) || chain->writable_bytes == 0 ||
	    chain->writable_bytes > UINT32_MAX)
		return -EPROTO;
	uint8_t status = serve_request((struct block *)worker, chain);
	chain_write(chain, chain->writable_bytes - 1, &status, sizeof(status));
	return (int64_t)chain->writable_bytes;
}

static int save(struct virtio *virtio, struct state_writer *out)
{
	return disk_save(((struct block *)virtio)->disk, out);
}

static int load(struct virtio *virtio, const uint8_t config[], struct state_reader *in)
{
	/* The driver has looked at the configuration already: the disk must be of the same size. */
	if (memcmp(config, virtio->config, virtio->config_size) != 0)
		return error_fail(VISO_STAGE_GUEST, EINVAL, "disk",
				  "a disk is not as large as it was when the snapshot was made");
	return disk_load(((struct block *)virtio)->disk, in);
}

static void release(struct virtio *virtio)
{
	struct block *block = (struct block *)virtio;
	worker_release(&block->worker);
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
		     const struct rate rates[THROTTLE_KINDS], struct virtio **out)
{
	static const struct virtio_ops ops = {.id = VIRTIO_ID_BLOCK,
					      .notify = worker_notify,
					      .reset = worker_reset,
					      .start = worker_start,
					      .pause = worker_pause,
					      .stop = worker_stop,
					      .save = save,
					      .load = load,
					      .release = release};
	uint64_t features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
			    1ULL << VIRTIO_BLK_F_TOPOLOGY | 1ULL << VIRTIO_BLK_F_FLUSH;
	features |= disk_is_read_only(disk) ? 1ULL << VIRTIO_BLK_F_RO
					    : 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	struct block *block = calloc(1, sizeof(*block));
	int r = block ? virtio_init(&block->worker.virtio, &ops, ram, interrupt, NULL, features, 1, QUEUE_SIZE)
		      : -ENOMEM;
	if (r < 0) {
		disk_close(disk);
		free(block);
		return r;
	}
	block->disk = disk;
	throttle_init(&block->worker.throttle, rates);
	memcpy(block->id, id, strnlen(id, BLOCK_ID_MAX));
	fill_config(&block->worker.virtio, disk);
	r = worker_init(&block->worker, WORKER_HELPERS_MAX, serve);
	if (r < 0) {
		virtio_release(&block->worker.virtio);
		return r;
	}
	*out = &block->worker.virtio;
	return 0;
}
