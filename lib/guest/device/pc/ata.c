/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/ata.h"

#include <string.h>

#include "guest/device/pc/ata_inside.h"

/* Ports of the command block. */
enum { DATA, FEATURES, COUNT, LOW, MIDDLE, HIGH, DEVICE, COMMAND };

void ata_init(struct ata_channel *channel, const struct interrupt *line, const struct ram *ram)
{
	*channel = (struct ata_channel){.line = *line, .ram = ram};
	pthread_mutex_init(&channel->lock, NULL);
	pthread_cond_init(&channel->worker.changed, NULL);
}

void ata_release(struct ata_channel *channel)
{
	pthread_cond_destroy(&channel->worker.changed);
	pthread_mutex_destroy(&channel->lock);
}

void ata_sign(struct ata_drive *drive)
{
	drive->count = drive->low = (struct ata_register){.now = 1};
	drive->middle = (struct ata_register){.now = drive->is_cd ? 0x14 : 0};
	drive->high = (struct ata_register){.now = drive->is_cd ? 0xeb : 0};
}

void ata_reset_drive(struct ata_drive *drive)
{
	/* What takes packets is not ready before the first of them (ATA/ATAPI-6, 9.12). */
	drive->status = drive->is_cd ? 0 : ATA_STATUS_READY | ATA_STATUS_COMPLETE;
	drive->error = 1; /* diagnostics passed */
	drive->features = (struct ata_register){0};
	drive->multiple = 0;
	drive->heads = 16;
	drive->sectors = 63;
	drive->cd.sense = drive->cd.code = drive->cd.qualifier = 0;
	ata_sign(drive);
}

void ata_insert(struct ata_channel *channel, unsigned place, struct disk *disk, unsigned number, bool is_cd)
{
	channel->drives[place] =
		(struct ata_drive){.disk = disk, .number = number, .is_write_cached = true, .is_cd = is_cd};
	ata_reset(channel);
}

void ata_reset(struct ata_channel *channel)
{
	for (int i = 0; i < 2; i++)
		if (channel->drives[i].disk)
			ata_reset_drive(&channel->drives[i]);
	channel->transfer = ATA_NO_TRANSFER;
	channel->position = channel->filled = channel->held = 0;
	channel->left = 0;
	channel->device = 0;
	ata_interrupt(channel, false);
}

struct ata_drive *ata_selected(struct ata_channel *channel)
{
	struct ata_drive *drive = &channel->drives[channel->device & ATA_DEVICE_SECOND ? 1 : 0];
	return drive->disk ? drive : NULL;
}

void ata_show_interrupt(struct ata_channel *channel)
{
	interrupt_set(&channel->line, channel->is_interrupting && !(channel->control & ATA_CONTROL_SILENT));
}

void ata_interrupt(struct ata_channel *channel, bool is_interrupting)
{
	channel->is_interrupting = is_interrupting;
	if (is_interrupting)
		channel->master.status |= ATA_MASTER_INTERRUPT;
	/* Who is called while the drive is busy does not look any further. */
	if (!channel->worker.is_busy)
		ata_show_interrupt(channel);
}

void ata_succeed(struct ata_channel *channel, struct ata_drive *drive)
{
	channel->transfer = ATA_NO_TRANSFER;
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE;
	drive->error = 0;
	if (drive->is_cd)
		drive->count.now = ATAPI_REASON_END;
	ata_interrupt(channel, true);
}

void ata_fail(struct ata_channel *channel, struct ata_drive *drive, uint8_t error)
{
	channel->transfer = ATA_NO_TRANSFER;
	channel->left = 0;
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE | ATA_STATUS_ERROR;
	drive->error = error;
	if (drive->is_cd) {
		drive->count.now = ATAPI_REASON_END;
		drive->cd.sense = error >> 4;
		drive->cd.code = drive->cd.qualifier = 0;
	}
	ata_interrupt(channel, true);
}

static uint8_t read_register(const struct ata_channel *channel, const struct ata_register *value)
{
	return channel->control & ATA_CONTROL_BEFORE ? value->before : value->now;
}

static uint8_t read_status(struct ata_channel *channel)
{
	const struct ata_drive *drive = ata_selected(channel);
	if (channel->control & ATA_CONTROL_RESET)
		return ATA_STATUS_BUSY;
	return drive ? drive->status : 0;
}

/* With no drive at all the lines hang where resistors pull them to; a second one that is missing is answered for. */
static uint8_t read_port(struct ata_channel *channel, uint64_t port)
{
	const struct ata_drive *drive = ata_selected(channel);
	if (!channel->drives[0].disk && !channel->drives[1].disk)
		return port == COMMAND ? 0x7f : 0xff;
	switch (port) {
	case FEATURES:
		return drive ? drive->error : 0;
	case COUNT:
		return drive ? read_register(channel, &drive->count) : 0;
	case LOW:
		return drive ? read_register(channel, &drive->low) : 0;
	case MIDDLE:
		return drive ? read_register(channel, &drive->middle) : 0;
	case HIGH:
		return drive ? read_register(channel, &drive->high) : 0;
	case DEVICE:
		return channel->device | 0xa0;
	default:
		interrupt_set(&channel->line, false);
		channel->is_interrupting = false;
		return read_status(channel);
	}
}

/* The data port, as wide as the guest likes; bytes that are not there are zeroes. */
static void read_data(struct ata_channel *channel, uint8_t *data, unsigned size)
{
	bool is_packet = channel->transfer == ATA_PACKET_IN;
	memset(data, 0, size);
	if (channel->transfer != ATA_PIO_IN && !is_packet)
		return;
	for (unsigned i = 0; i < size && channel->position < channel->filled; i++)
		data[i] = channel->buffer[channel->position++];
	if (channel->position == channel->filled)
		is_packet ? atapi_fill(channel) : ata_fill(channel);
}

static void write_data(struct ata_channel *channel, const uint8_t *data, unsigned size)
{
	bool is_packet = channel->transfer == ATA_PACKET;
	if (channel->transfer != ATA_PIO_OUT && !is_packet)
		return;
	for (unsigned i = 0; i < size && channel->position < channel->filled; i++)
		channel->buffer[channel->position++] = data[i];
	if (channel->position == channel->filled)
		is_packet ? atapi_execute(channel) : ata_drain(channel);
}

static void command_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct ata_channel *channel = device;
	pthread_mutex_lock(&channel->lock);
	/* Then each register reads as the status. */
	if (channel->worker.is_busy)
		memset(data, ATA_STATUS_BUSY, size);
	else if (offset == DATA && size > 1)
		read_data(channel, data, size);
	else if (size == 1)
		*(uint8_t *)data = read_port(channel, offset);
	pthread_mutex_unlock(&channel->lock);
}

static void write_register(struct ata_register *value, uint8_t byte)
{
	value->before = value->now;
	value->now = byte;
}

static void write_command(struct ata_channel *channel, uint8_t command)
{
	struct ata_drive *drive = ata_selected(channel);
	if (!drive || channel->control & ATA_CONTROL_RESET)
		return;
	/* Whatever was on its way is given up. */
	channel->transfer = ATA_NO_TRANSFER;
	ata_interrupt(channel, false);
	drive->error = 0;
	channel->drive = drive;
	ata_command(channel, drive, command);
}

/* Both drives see it. */
static void write_register_at(struct ata_drive *drive, uint64_t port, uint8_t byte)
{
	switch (port) {
	case FEATURES:
		return write_register(&drive->features, byte);
	case COUNT:
		return write_register(&drive->count, byte);
	case LOW:
		return write_register(&drive->low, byte);
	case MIDDLE:
		return write_register(&drive->middle, byte);
	case HIGH:
		return write_register(&drive->high, byte);
	default:
		return;
	}
}

static void write_port(struct ata_channel *channel, uint64_t port, uint8_t byte)
{
	channel->control &= (uint8_t)~ATA_CONTROL_BEFORE;
	if (port == DEVICE)
		channel->device = byte;
	else if (port == COMMAND)
		write_command(channel, byte);
	else
		for (int i = 0; i < 2; i++)
			write_register_at(&channel->drives[i], port, byte);
}

static void command_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct ata_channel *channel = device;
	pthread_mutex_lock(&channel->lock);
	if (channel->worker.is_busy)
		; /* nothing is written then */
	else if (offset == DATA && size > 1)
		write_data(channel, data, size);
	else if (size == 1)
		write_port(channel, offset, *(const uint8_t *)data);
	pthread_mutex_unlock(&channel->lock);
}

static void control_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct ata_channel *channel = device;
	pthread_mutex_lock(&channel->lock);
	if (channel->worker.is_busy)
		*(uint8_t *)data = ATA_STATUS_BUSY;
	else if (channel->drives[0].disk || channel->drives[1].disk)
		*(uint8_t *)data = read_status(channel);
	pthread_mutex_unlock(&channel->lock);
}

static void control_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct ata_channel *channel = device;
	uint8_t control = *(const uint8_t *)data;
	pthread_mutex_lock(&channel->lock);
	ata_await(channel);
	bool was_resetting = channel->control & ATA_CONTROL_RESET;
	channel->control = control;
	if (was_resetting && !(control & ATA_CONTROL_RESET))
		ata_reset(channel);
	ata_interrupt(channel, channel->is_interrupting && !(control & ATA_CONTROL_RESET));
	pthread_mutex_unlock(&channel->lock);
}

const struct bus_ops ata_command_ops = {.read = command_read, .write = command_write};
const struct bus_ops ata_control_ops = {.read = control_read, .write = control_write};
