/* SPDX-License-Identifier: MIT */
/* The bus master of an ATA channel: SFF-8038i 1.0. */
#include <string.h>

#include "guest/device/pc/ata_inside.h"

enum {
	COMMAND = 0,
	STATUS = 2,
	TABLE = 4,
	COMMAND_BITS = 0x09,
	STATUS_KEPT = 0x60, /* each drive can do DMA: says the firmware */
	ENTRY_LAST = 1u << 31,
	ENTRIES_MAX = 8192, /* a table does not cross 64 KiB */
};

struct entry {
	uint32_t address;
	uint32_t size;
	bool is_last;
};

static bool read_entry(const struct ata_channel *channel, unsigned number, struct entry *out_entry)
{
	uint8_t raw[8];
	if (!channel->ram || !ram_read(channel->ram, (uint64_t)channel->master.table + 8 * number, raw, sizeof(raw)))
		return false;
	uint32_t size = (uint32_t)bus_get(&raw[4], 4);
	out_entry->address = (uint32_t)bus_get(raw, 4) & ~1u;
	out_entry->size = size & 0xfffe ? size & 0xfffe : 0x10000;
	out_entry->is_last = size & ENTRY_LAST;
	return true;
}

static int move(struct ata_channel *channel, uint64_t offset, uint32_t address, uint32_t size)
{
	void *memory = ram_at(channel->ram, address, size);
	if (!memory)
		return -1;
	if (channel->transfer == ATA_PACKET_REPLY) {
		memcpy(memory, channel->buffer + offset, size);
		return 0;
	}
	return channel->transfer == ATA_DMA_IN ? disk_read(channel->drive->disk, offset, memory, size)
					       : disk_write(channel->drive->disk, offset, memory, size);
}

/* Moves it all. Whether it came to its end; then the last entry may not have been used up. */
static bool run(struct ata_channel *channel, bool *out_is_exact)
{
	bool is_reply = channel->transfer == ATA_PACKET_REPLY;
	uint64_t offset = is_reply ? 0 : channel->sector * DISK_SECTOR;
	uint64_t left = is_reply ? channel->held : (uint64_t)channel->left * DISK_SECTOR;
	struct entry entry = {0};
	for (unsigned i = 0; left > 0; i++) {
		if (i == ENTRIES_MAX || entry.is_last || !read_entry(channel, i, &entry))
			return false;
		uint32_t size = entry.size < left ? entry.size : (uint32_t)left;
		if (move(channel, offset, entry.address, size) < 0)
			return false;
		*out_is_exact = size == entry.size && entry.is_last;
		offset += size;
		left -= size;
	}
	return true;
}

static void transfer(struct ata_channel *channel)
{
	struct ata_drive *drive = channel->drive;
	bool is_write = channel->transfer == ATA_DMA_OUT, is_exact = false;
	bool is_done = run(channel, &is_exact);
	if (is_done && is_write && !drive->is_write_cached)
		is_done = disk_flush(drive->disk) == 0;
	if (!is_done) {
		channel->master.status |= ATA_MASTER_ERROR;
		channel->master.status &= (uint8_t)~ATA_MASTER_ACTIVE;
		return ata_fail(channel, drive, is_write ? ATA_ERROR_ABORTED : ATA_ERROR_UNCORRECTABLE);
	}
	/* Still active where the table has more room than there was data: 3.1 of the specification. */
	if (is_exact)
		channel->master.status &= (uint8_t)~ATA_MASTER_ACTIVE;
	channel->left = 0;
	ata_succeed(channel, drive);
}

void ata_master_run(struct ata_channel *channel)
{
	ata_do(channel, transfer);
}

static void write_command(struct ata_channel *channel, uint8_t value)
{
	struct ata_master *master = &channel->master;
	bool is_started = value & ATA_MASTER_START && !(master->command & ATA_MASTER_START);
	master->command = value & COMMAND_BITS;
	if (!(value & ATA_MASTER_START)) {
		master->status &= (uint8_t)~ATA_MASTER_ACTIVE;
		return;
	}
	if (!is_started)
		return;
	master->status |= ATA_MASTER_ACTIVE;
	if (channel->transfer == ATA_DMA_IN || channel->transfer == ATA_DMA_OUT ||
	    channel->transfer == ATA_PACKET_REPLY)
		ata_master_run(channel);
}

static void write_status(struct ata_master *master, uint8_t value)
{
	uint8_t cleared = value & (ATA_MASTER_ERROR | ATA_MASTER_INTERRUPT);
	master->status = (uint8_t)((master->status & ~STATUS_KEPT & ~cleared) | (value & STATUS_KEPT));
}

void ata_master_read(struct ata_channel *channel, unsigned offset, void *data, unsigned size)
{
	uint8_t registers[16] = {0};
	pthread_mutex_lock(&channel->lock);
	const struct ata_master *master = channel->worker.is_busy ? &channel->worker.shown : &channel->master;
	registers[COMMAND] = master->command;
	registers[STATUS] = master->status;
	bus_put(&registers[TABLE], 4, master->table);
	pthread_mutex_unlock(&channel->lock);
	memcpy(data, &registers[offset], size);
}

void ata_master_write(struct ata_channel *channel, unsigned offset, const void *data, unsigned size)
{
	const uint8_t *bytes = data;
	uint8_t table[4];
	pthread_mutex_lock(&channel->lock);
	for (unsigned i = 0; i < size; i++) {
		ata_await(channel);
		if (offset + i == COMMAND) {
			write_command(channel, bytes[i]);
		} else if (offset + i == STATUS) {
			write_status(&channel->master, bytes[i]);
		} else if (offset + i >= TABLE && offset + i < TABLE + 4) {
			bus_put(table, 4, channel->master.table);
			table[offset + i - TABLE] = bytes[i];
			channel->master.table = (uint32_t)bus_get(table, 4) & ~3u;
		}
	}
	pthread_mutex_unlock(&channel->lock);
}
