/* SPDX-License-Identifier: MIT */
/*
 * A channel of ATA with up to two drives, as its ports show it (ATA8-ACS, ATA8-APT): disks, and CD-ROMs, which take
 * packets (ATAPI: ATA/ATAPI-6, MMC-3). Commands are served at once, by the thread of the processor that gives them,
 * but for what may take long once there is a thread for that.
 */
#ifndef GUEST_DEVICE_PC_ATA_H
#define GUEST_DEVICE_PC_ATA_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/disk.h"
#include "guest/device/interrupt.h"
#include "guest/device/ram.h"
#include "guest/device/state.h"

enum {
	ATA_MULTIPLE_MAX = 16, /* sectors between two interrupts */
	ATA_BUFFER = ATA_MULTIPLE_MAX * DISK_SECTOR,
	ATA_COMMAND_PORTS = 8,
	ATA_CD_SECTOR = 2048,
};

/* A register that takes two values: the last one that was written, and the one before, for 48-bit addresses. */
struct ata_register {
	uint8_t now, before;
};

/* Of a CD-ROM. */
struct ata_cd {
	uint8_t sense, code, qualifier; /* what went wrong last */
	uint8_t event;                  /* of the medium, that nobody has asked for */
	bool is_changed;                /* the medium, and no command was told */
	bool is_out;                    /* the tray */
	bool is_locked;
};

struct ata_drive {
	struct disk *disk; /* borrowed; NULL: there is none */
	bool is_cd;
	unsigned number; /* of the computer's disks, for its name */
	/* What is written goes to both drives of a channel. */
	struct ata_register features, count, low, middle, high;
	uint8_t status, error;
	uint8_t multiple;        /* sectors; 0: not set */
	uint8_t mode;            /* of transfers, as SET FEATURES gives it */
	bool is_write_cached;    /* as the guest believes */
	uint16_t heads, sectors; /* of the geometry that addresses by cylinders mean */
	struct ata_cd cd;
};

enum ata_transfer {
	ATA_NO_TRANSFER,
	ATA_PIO_IN,
	ATA_PIO_OUT,
	ATA_DMA_IN,
	ATA_DMA_OUT,
	ATA_PACKET,       /* the guest writes a packet */
	ATA_PACKET_IN,    /* and reads what it asked for */
	ATA_PACKET_REPLY, /* by DMA, out of the buffer */
};

/* Of the bus master: SFF-8038i 1.0. */
struct ata_master {
	uint8_t command, status;
	uint32_t table;
};

struct ata_channel;

struct ata_worker {
	pthread_t thread;
	bool has_thread, should_end;
	pthread_cond_t changed;
	bool is_busy; /* the rest of the channel is the thread's alone */
	void (*job)(struct ata_channel *channel);
	struct ata_master shown; /* what it was when that began */
};

struct ata_channel {
	pthread_mutex_t lock; /* guards all that follows */
	struct ata_worker worker;
	struct ata_drive drives[2];
	uint8_t device, control;
	struct interrupt line;
	bool is_interrupting;

	/* What is on its way, of the drive that was selected. */
	enum ata_transfer transfer;
	struct ata_drive *drive;
	uint64_t sector; /* the next one */
	uint32_t left;   /* sectors that are not in the buffer, and were not */
	unsigned block;  /* of so many at a time */
	uint8_t buffer[ATA_BUFFER];
	unsigned position, filled; /* in the buffer: of what comes or goes without an interrupt between */
	/* Of a packet. */
	unsigned held;     /* bytes in the buffer, of which not all may be `filled` */
	unsigned part_max; /* bytes between two interrupts */
	bool is_dma;

	struct ata_master master;
	const struct ram *ram; /* for the bus master; NULL: it reaches nothing */
};

extern const struct bus_ops ata_command_ops; /* ATA_COMMAND_PORTS */
extern const struct bus_ops ata_control_ops; /* one port */

void ata_init(struct ata_channel *channel, const struct interrupt *line, const struct ram *ram);
void ata_release(struct ata_channel *channel);

/* Puts a disk in, before the guest runs: as first or second drive. Or a CD, of whole sectors of ATA_CD_SECTOR bytes. */
void ata_insert(struct ata_channel *channel, unsigned place, struct disk *disk, unsigned number, bool is_cd);

/*
 * With drives, while the guest runs: a thread for what takes long. 0 or a negative errno. When ata_settle() returns,
 * nothing is on its way that the guest has not begun since.
 */
int ata_start(struct ata_channel *channel);
void ata_settle(struct ata_channel *channel);
void ata_stop(struct ata_channel *channel);

/* Without what is on the disks; for another one with disks of the same sizes. 0, or -EINVAL with the error set. */
void ata_save(struct ata_channel *channel, struct state_writer *out);
int ata_load(struct ata_channel *channel, struct state_reader *in);

/* The registers of the bus master: eight bytes. */
void ata_master_read(struct ata_channel *channel, unsigned offset, void *data, unsigned size);
void ata_master_write(struct ata_channel *channel, unsigned offset, const void *data, unsigned size);

#endif
