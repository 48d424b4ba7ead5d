/* SPDX-License-Identifier: MIT */
/* How packets and what they ask for get to a CD-ROM and back (ATA/ATAPI-6, 9.8). */
#include "guest/device/pc/atapi.h"

#include <string.h>

enum {
	DEVICE_RESET = 0x08,
	READ_SECTORS = 0x20,
	PACKET = 0xa0,
	IDENTIFY_PACKET = 0xa1,
	IDENTIFY = 0xec,
	FEATURE_DMA = 0x01,
	FEATURE_OVERLAPPED = 0x02,
	PART_MAX = 0xfffe,
	PER_SECTOR = ATA_CD_SECTOR / DISK_SECTOR,
};

void atapi_fail(struct ata_channel *channel, struct ata_drive *drive, uint8_t sense, uint8_t code, uint8_t qualifier)
{
	ata_fail(channel, drive, (uint8_t)(sense << 4 | ATA_ERROR_ABORTED));
	drive->cd.code = code;
	drive->cd.qualifier = qualifier;
}

/* The next bytes of the buffer, as many as the guest takes at once: an even number, but for the last ones. */
static void offer_part(struct ata_channel *channel, struct ata_drive *drive)
{
	unsigned part = channel->held - channel->position;
	if (part > channel->part_max)
		part = channel->part_max;
	channel->filled = channel->position + part;
	drive->count.now = ATAPI_REASON_IN;
	drive->middle.now = (uint8_t)part;
	drive->high.now = (uint8_t)(part >> 8);
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE | ATA_STATUS_REQUEST;
	ata_interrupt(channel, true);
}

static void load_sectors(struct ata_channel *channel, struct ata_drive *drive)
{
	uint32_t count = channel->left < ATA_MULTIPLE_MAX ? channel->left : ATA_MULTIPLE_MAX;
	if (disk_read(drive->disk, channel->sector * DISK_SECTOR, channel->buffer, count * DISK_SECTOR) < 0)
		return atapi_fail(channel, drive, SENSE_MEDIUM, CODE_UNREADABLE, 0);
	channel->sector += count;
	channel->left -= count;
	channel->position = 0;
	channel->held = count * DISK_SECTOR;
	offer_part(channel, drive);
}

void atapi_fill(struct ata_channel *channel)
{
	struct ata_drive *drive = channel->drive;
	if (channel->position < channel->held)
		offer_part(channel, drive);
	else if (channel->left > 0)
		load_sectors(channel, drive);
	else
		ata_succeed(channel, drive);
}

static void begin_dma(struct ata_channel *channel, struct ata_drive *drive, enum ata_transfer transfer)
{
	channel->transfer = transfer;
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE | ATA_STATUS_REQUEST;
	if (channel->master.command & ATA_MASTER_START)
		ata_master_run(channel);
}

void atapi_reply(struct ata_channel *channel, struct ata_drive *drive, const uint8_t *data, unsigned size,
		 unsigned room)
{
	channel->held = size < room ? size : room;
	if (channel->held == 0)
		return ata_succeed(channel, drive);
	memcpy(channel->buffer, data, channel->held);
	channel->position = 0;
	if (channel->is_dma)
		return begin_dma(channel, drive, ATA_PACKET_REPLY);
	channel->transfer = ATA_PACKET_IN;
	offer_part(channel, drive);
}

void atapi_read(struct ata_channel *channel, struct ata_drive *drive, uint32_t sector, uint32_t count)
{
	if (count == 0)
		return ata_succeed(channel, drive);
	channel->sector = (uint64_t)sector * PER_SECTOR;
	channel->left = count * PER_SECTOR;
	if (channel->is_dma)
		return begin_dma(channel, drive, ATA_DMA_IN);
	channel->transfer = ATA_PACKET_IN;
	load_sectors(channel, drive);
}

void atapi_execute(struct ata_channel *channel)
{
	uint8_t packet[ATAPI_PACKET];
	memcpy(packet, channel->buffer, sizeof(packet));
	channel->transfer = ATA_NO_TRANSFER;
	channel->held = 0;
	channel->left = 0;
	atapi_run(channel, channel->drive, packet);
}

/* How much it takes at once the guest has written to where addresses are else. */
static void begin_packet(struct ata_channel *channel, struct ata_drive *drive)
{
	unsigned part_max = (drive->middle.now | (unsigned)drive->high.now << 8) & PART_MAX;
	if (drive->features.now & FEATURE_OVERLAPPED)
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	channel->is_dma = drive->features.now & FEATURE_DMA;
	channel->part_max = part_max ? part_max : PART_MAX;
	channel->transfer = ATA_PACKET;
	channel->position = 0;
	channel->filled = ATAPI_PACKET;
	drive->count.now = ATAPI_REASON_PACKET;
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE | ATA_STATUS_REQUEST; /* and no interrupt */
}

/* Those of a disk fail, and say by what they leave in the registers that this is none. */
static void refuse(struct ata_channel *channel, struct ata_drive *drive)
{
	ata_fail(channel, drive, ATA_ERROR_ABORTED);
	ata_sign(drive);
}

bool atapi_command(struct ata_channel *channel, struct ata_drive *drive, uint8_t command)
{
	switch (command) {
	case PACKET:
		begin_packet(channel, drive);
		return true;
	case IDENTIFY_PACKET:
		atapi_identify(drive, channel->buffer);
		ata_reply_identity(channel, drive);
		return true;
	case DEVICE_RESET:
		ata_reset_drive(drive);
		return true;
	case IDENTIFY:
	case READ_SECTORS:
		refuse(channel, drive);
		return true;
	default:
		return false;
	}
}
