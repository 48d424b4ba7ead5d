/* SPDX-License-Identifier: MIT */
/* What the two files of ATAPI share. The lock of the channel is held. */
#ifndef GUEST_DEVICE_PC_ATAPI_H
#define GUEST_DEVICE_PC_ATAPI_H

#include "guest/device/pc/ata_inside.h"

enum {
	ATAPI_PACKET = 12,
	ATAPI_REPLY_MAX = 128,
};

/* Keys of sense data, and what they are about (SPC-3, tables 27 and 28). */
enum {
	SENSE_NOT_READY = 2,
	SENSE_MEDIUM = 3,
	SENSE_ILLEGAL = 5,
	SENSE_ATTENTION = 6,
	CODE_UNREADABLE = 0x11,
	CODE_NO_SUCH_COMMAND = 0x20,
	CODE_NO_SUCH_SECTOR = 0x21,
	CODE_INVALID_FIELD = 0x24,
	CODE_MEDIUM_CHANGED = 0x28,
	CODE_NO_SAVED_PARAMETERS = 0x39,
	CODE_NO_MEDIUM = 0x3a,
	CODE_REMOVAL = 0x53,
	QUALIFIER_OPEN = 2,
	QUALIFIER_PREVENTED = 2,
};

/* Does what the packet asks for, and ends in one of these. */
void atapi_run(struct ata_channel *channel, struct ata_drive *drive, const uint8_t packet[ATAPI_PACKET]);

void atapi_fail(struct ata_channel *channel, struct ata_drive *drive, uint8_t sense, uint8_t code, uint8_t qualifier);
/* The guest gets as much of it as it has room for. */
void atapi_reply(struct ata_channel *channel, struct ata_drive *drive, const uint8_t *data, unsigned size,
		 unsigned room);
/* Sectors of ATA_CD_SECTOR bytes, which are all there; at most ATAPI_SECTORS_MAX. */
#define ATAPI_SECTORS_MAX (UINT32_MAX / (ATA_CD_SECTOR / DISK_SECTOR))
void atapi_read(struct ata_channel *channel, struct ata_drive *drive, uint32_t sector, uint32_t count);

#endif
