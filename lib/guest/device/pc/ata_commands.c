/* SPDX-License-Identifier: MIT */
/* The commands of a disk, and those that all drives have (ATA8-ACS, clause 7). */
#include <string.h>

#include "guest/device/pc/ata_inside.h"

enum {
	RECALIBRATE = 0x10,
	READ_SECTORS = 0x20,
	READ_SECTORS_ONCE = 0x21,
	READ_SECTORS_EXT = 0x24,
	READ_DMA_EXT = 0x25,
	READ_MULTIPLE_EXT = 0x29,
	WRITE_SECTORS = 0x30,
	WRITE_SECTORS_ONCE = 0x31,
	WRITE_SECTORS_EXT = 0x34,
	WRITE_DMA_EXT = 0x35,
	WRITE_MULTIPLE_EXT = 0x39,
	VERIFY = 0x40,
	VERIFY_ONCE = 0x41,
	VERIFY_EXT = 0x42,
	DIAGNOSE = 0x90,
	INITIALIZE_PARAMETERS = 0x91,
	READ_MULTIPLE = 0xc4,
	WRITE_MULTIPLE = 0xc5,
	SET_MULTIPLE = 0xc6,
	READ_DMA = 0xc8,
	READ_DMA_ONCE = 0xc9,
	WRITE_DMA = 0xca,
	WRITE_DMA_ONCE = 0xcb,
	STANDBY_IMMEDIATE = 0xe0,
	IDLE_IMMEDIATE = 0xe1,
	STANDBY = 0xe2,
	IDLE = 0xe3,
	CHECK_POWER = 0xe5,
	SLEEP = 0xe6,
	FLUSH = 0xe7,
	FLUSH_EXT = 0xea,
	IDENTIFY = 0xec,
	SET_FEATURES = 0xef,
};

/* How a command moves data, and whether its address has 48 bits. */
struct kind {
	enum ata_transfer transfer;
	bool is_long, is_multiple;
};

static bool kind_of(uint8_t command, struct kind *out_kind)
{
	static const struct {
		uint8_t command;
		struct kind kind;
	} kinds[] = {
		{READ_SECTORS, {ATA_PIO_IN, false, false}},
		{READ_SECTORS_ONCE, {ATA_PIO_IN, false, false}},
		{READ_SECTORS_EXT, {ATA_PIO_IN, true, false}},
		{READ_MULTIPLE, {ATA_PIO_IN, false, true}},
		{READ_MULTIPLE_EXT, {ATA_PIO_IN, true, true}},
		{WRITE_SECTORS, {ATA_PIO_OUT, false, false}},
		{WRITE_SECTORS_ONCE, {ATA_PIO_OUT, false, false}},
		{WRITE_SECTORS_EXT, {ATA_PIO_OUT, true, false}},
		{WRITE_MULTIPLE, {ATA_PIO_OUT, false, true}},
		{WRITE_MULTIPLE_EXT, {ATA_PIO_OUT, true, true}},
		{READ_DMA, {ATA_DMA_IN, false, false}},
		{READ_DMA_ONCE, {ATA_DMA_IN, false, false}},
		{READ_DMA_EXT, {ATA_DMA_IN, true, false}},
		{WRITE_DMA, {ATA_DMA_OUT, false, false}},
		{WRITE_DMA_ONCE, {ATA_DMA_OUT, false, false}},
		{WRITE_DMA_EXT, {ATA_DMA_OUT, true, false}},
		{VERIFY, {ATA_NO_TRANSFER, false, false}},
		{VERIFY_ONCE, {ATA_NO_TRANSFER, false, false}},
		{VERIFY_EXT, {ATA_NO_TRANSFER, true, false}},
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].command != command)
			continue;
		*out_kind = kinds[i].kind;
		return true;
	}
	return false;
}

/* Where the registers point to; false where that is nowhere. */
static bool address_of(const struct ata_channel *channel, const struct ata_drive *drive, bool is_long, uint64_t *out)
{
	uint64_t low = drive->low.now | (uint64_t)drive->middle.now << 8 | (uint64_t)drive->high.now << 16;
	if (is_long) {
		*out = low | (uint64_t)drive->low.before << 24 | (uint64_t)drive->middle.before << 32 |
		       (uint64_t)drive->high.before << 40;
		return true;
	}
	if (channel->device & ATA_DEVICE_LBA) {
		*out = low | (uint64_t)(channel->device & 15) << 24;
		return true;
	}
	unsigned head = channel->device & 15, sector = drive->low.now;
	if (sector == 0 || sector > drive->sectors || head >= drive->heads)
		return false;
	*out = ((low >> 8) * drive->heads + head) * drive->sectors + sector - 1;
	return true;
}

static uint32_t count_of(const struct ata_drive *drive, bool is_long)
{
	if (!is_long)
		return drive->count.now ? drive->count.now : 256;
	uint32_t count = drive->count.now | (uint32_t)drive->count.before << 8;
	return count ? count : 65536;
}

/* Of what the guest writes, the next comes into the buffer. */
static void ask_for_block(struct ata_channel *channel)
{
	uint32_t count = channel->left < channel->block ? channel->left : channel->block;
	channel->position = 0;
	channel->filled = count * DISK_SECTOR;
	channel->drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE | ATA_STATUS_REQUEST;
}

static void begin_transfer(struct ata_channel *channel, struct ata_drive *drive, const struct kind *kind)
{
	channel->transfer = kind->transfer;
	channel->block = kind->is_multiple ? drive->multiple : 1;
	if (kind->transfer == ATA_PIO_IN) {
		ata_fill(channel);
	} else if (kind->transfer == ATA_PIO_OUT) {
		ask_for_block(channel); /* the first one without an interrupt */
	} else {
		drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE | ATA_STATUS_REQUEST;
		if (channel->master.command & ATA_MASTER_START)
			ata_master_run(channel);
	}
}

static void transfer(struct ata_channel *channel, struct ata_drive *drive, const struct kind *kind)
{
	uint64_t sectors = disk_size(drive->disk) / DISK_SECTOR, sector;
	uint32_t count = count_of(drive, kind->is_long);
	if (kind->is_multiple && drive->multiple == 0)
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	if (!address_of(channel, drive, kind->is_long, &sector) || sector >= sectors || count > sectors - sector)
		return ata_fail(channel, drive, ATA_ERROR_NOT_FOUND);
	bool is_write = kind->transfer == ATA_PIO_OUT || kind->transfer == ATA_DMA_OUT;
	if (is_write && disk_is_read_only(drive->disk))
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	if (kind->transfer == ATA_NO_TRANSFER)
		return ata_succeed(channel, drive);
	channel->sector = sector;
	channel->left = count;
	begin_transfer(channel, drive, kind);
}

/* The next sectors come into the buffer; behind the last there is no interrupt. */
void ata_fill(struct ata_channel *channel)
{
	struct ata_drive *drive = channel->drive;
	uint32_t count = channel->left < channel->block ? channel->left : channel->block;
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE;
	if (count == 0) {
		channel->transfer = ATA_NO_TRANSFER;
		return;
	}
	if (disk_read(drive->disk, channel->sector * DISK_SECTOR, channel->buffer, count * DISK_SECTOR) < 0)
		return ata_fail(channel, drive, ATA_ERROR_UNCORRECTABLE);
	channel->position = 0;
	channel->filled = count * DISK_SECTOR;
	channel->sector += count;
	channel->left -= count;
	drive->status |= ATA_STATUS_REQUEST;
	ata_interrupt(channel, true);
}

/* What is in the buffer goes to the disk, and the next is asked for. */
void ata_drain(struct ata_channel *channel)
{
	struct ata_drive *drive = channel->drive;
	unsigned size = channel->filled;
	if (disk_write(drive->disk, channel->sector * DISK_SECTOR, channel->buffer, size) < 0)
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	channel->sector += size / DISK_SECTOR;
	channel->left -= size / DISK_SECTOR;
	if (channel->left > 0) {
		ask_for_block(channel);
		return ata_interrupt(channel, true);
	}
	if (!drive->is_write_cached && disk_flush(drive->disk) < 0)
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	ata_succeed(channel, drive);
}

void ata_reply_identity(struct ata_channel *channel, struct ata_drive *drive)
{
	channel->transfer = ATA_PIO_IN;
	channel->left = 0;
	channel->position = 0;
	channel->filled = DISK_SECTOR;
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE | ATA_STATUS_REQUEST;
	ata_interrupt(channel, true);
}

static void set_multiple(struct ata_channel *channel, struct ata_drive *drive)
{
	uint8_t count = drive->count.now;
	if (count > ATA_MULTIPLE_MAX || count & (count - 1))
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	drive->multiple = count;
	ata_succeed(channel, drive);
}

static void set_parameters(struct ata_channel *channel, struct ata_drive *drive)
{
	if (drive->count.now == 0)
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	drive->heads = (channel->device & 15) + 1;
	drive->sectors = drive->count.now;
	ata_succeed(channel, drive);
}

static void set_features(struct ata_channel *channel, struct ata_drive *drive)
{
	switch (drive->features.now) {
	case 0x02:
		drive->is_write_cached = true;
		break;
	case 0x82:
		drive->is_write_cached = false;
		if (disk_flush(drive->disk) < 0)
			return ata_fail(channel, drive, ATA_ERROR_ABORTED);
		break;
	case 0x03:
		/* PIO, flow-controlled PIO, and multiword DMA up to mode 2; no Ultra DMA: the 82371SB has none. */
		if (drive->count.now > 0x22)
			return ata_fail(channel, drive, ATA_ERROR_ABORTED);
		drive->mode = drive->count.now;
		break;
	case 0x55: /* look-ahead */
	case 0xaa:
	case 0x66: /* defaults after a reset */
	case 0xcc:
		break;
	default:
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	}
	ata_succeed(channel, drive);
}

static void flush(struct ata_channel *channel)
{
	struct ata_drive *drive = channel->drive;
	if (disk_flush(drive->disk) < 0)
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	ata_succeed(channel, drive);
}

static void diagnose(struct ata_channel *channel)
{
	ata_reset(channel);
	ata_interrupt(channel, true);
}

static void identify(struct ata_channel *channel, struct ata_drive *drive)
{
	ata_identify(drive, channel->buffer);
	ata_reply_identity(channel, drive);
}

static bool disk_command(struct ata_channel *channel, struct ata_drive *drive, uint8_t command)
{
	struct kind kind;
	if (kind_of(command, &kind))
		transfer(channel, drive, &kind);
	else if (command == IDENTIFY)
		identify(channel, drive);
	else if (command == SET_MULTIPLE)
		set_multiple(channel, drive);
	else if (command == INITIALIZE_PARAMETERS)
		set_parameters(channel, drive);
	else if (command == RECALIBRATE)
		ata_succeed(channel, drive);
	else
		return false;
	return true;
}

void ata_command(struct ata_channel *channel, struct ata_drive *drive, uint8_t command)
{
	if (drive->is_cd ? atapi_command(channel, drive, command) : disk_command(channel, drive, command))
		return;
	switch (command) {
	case DIAGNOSE:
		return diagnose(channel);
	case SET_FEATURES:
		return set_features(channel, drive);
	case FLUSH:
	case FLUSH_EXT:
		return ata_do(channel, flush);
	case CHECK_POWER:
		ata_succeed(channel, drive);
		drive->count.now = 0xff;
		return;
	case STANDBY_IMMEDIATE:
	case IDLE_IMMEDIATE:
	case STANDBY:
	case IDLE:
	case SLEEP:
		return ata_succeed(channel, drive);
	default:
		return ata_fail(channel, drive, ATA_ERROR_ABORTED);
	}
}
