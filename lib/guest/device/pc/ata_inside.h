/* SPDX-License-Identifier: MIT */
/* What the files of ATA share. The lock of the channel is held, or the channel is the worker's. */
#ifndef GUEST_DEVICE_PC_ATA_INSIDE_H
#define GUEST_DEVICE_PC_ATA_INSIDE_H

#include "guest/device/pc/ata.h"

enum {
	ATA_STATUS_ERROR = 0x01,
	ATA_STATUS_REQUEST = 0x08,  /* DRQ */
	ATA_STATUS_COMPLETE = 0x10, /* DSC */
	ATA_STATUS_FAULT = 0x20,
	ATA_STATUS_READY = 0x40,
	ATA_STATUS_BUSY = 0x80,
	ATA_ERROR_ABORTED = 0x04,
	ATA_ERROR_NOT_FOUND = 0x10,
	ATA_ERROR_UNCORRECTABLE = 0x40,
	ATA_CONTROL_SILENT = 0x02, /* nIEN */
	ATA_CONTROL_RESET = 0x04,
	ATA_CONTROL_BEFORE = 0x80, /* HOB */
	ATA_DEVICE_SECOND = 0x10,
	ATA_DEVICE_LBA = 0x40,
	ATA_MASTER_START = 0x01,
	ATA_MASTER_ACTIVE = 0x01,
	ATA_MASTER_ERROR = 0x02,
	ATA_MASTER_INTERRUPT = 0x04,
	ATAPI_REASON_PACKET = 0x01, /* in the register of the count: what an interrupt is for */
	ATAPI_REASON_IN = 0x02,
	ATAPI_REASON_END = 0x03,
};

/* The drive that commands go to; NULL where there is none. */
struct ata_drive *ata_selected(struct ata_channel *channel);

void ata_interrupt(struct ata_channel *channel, bool is_interrupting);
/* The line, as it is now. */
void ata_show_interrupt(struct ata_channel *channel);

/* Does it by the channel's thread, if there is one: the last thing that is done with the lock. And waits for its end.
 */
void ata_do(struct ata_channel *channel, void (*job)(struct ata_channel *channel));
void ata_await(struct ata_channel *channel);

/* The end of a command. */
void ata_succeed(struct ata_channel *channel, struct ata_drive *drive);
void ata_fail(struct ata_channel *channel, struct ata_drive *drive, uint8_t error);

/* IDENTIFY (PACKET) DEVICE: the buffer's first sector is what it gives. */
void ata_reply_identity(struct ata_channel *channel, struct ata_drive *drive);

/* Begins a command of the selected drive. */
void ata_command(struct ata_channel *channel, struct ata_drive *drive, uint8_t command);

/* The two words of data that IDENTIFY DEVICE gives: 512 bytes. */
void ata_identify(const struct ata_drive *drive, uint8_t data[DISK_SECTOR]);

/* PIO: the buffer is empty (in) or full (out). */
void ata_fill(struct ata_channel *channel);
void ata_drain(struct ata_channel *channel);

/* DMA: the transfer is wanted, the bus master is started. */
void ata_master_run(struct ata_channel *channel);

void ata_reset(struct ata_channel *channel);
void ata_reset_drive(struct ata_drive *drive);
/* Says by its registers what kind of a drive it is. */
void ata_sign(struct ata_drive *drive);

/* Begins a command that a CD-ROM alone has, or has otherwise; false where it is another one. */
bool atapi_command(struct ata_channel *channel, struct ata_drive *drive, uint8_t command);
/* The packet is in the buffer. */
void atapi_execute(struct ata_channel *channel);
/* What the guest could read is read. */
void atapi_fill(struct ata_channel *channel);
void atapi_identify(const struct ata_drive *drive, uint8_t data[DISK_SECTOR]);

#endif
