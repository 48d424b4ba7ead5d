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
}

void ata_release(struct ata_channel *channel)
{
	pthread_mutex_destroy(&channel->lock);
}

static void reset_drive(struct ata_drive *drive)
{
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE;
	drive->error = 1; /* diagnostics passed */
	drive->multiple = 0;
	drive->heads = 16;
	drive->sectors = 63;
}

void ata_insert(struct ata_channel *channel, unsigned place, struct disk *disk, unsigned number)
{
	channel->drives[place] = (struct ata_drive){.disk = disk, .number = number, .is_write_cached = true};
	ata_reset(channel);
}

void ata_reset(struct ata_channel *channel)
{
	for (int i = 0; i < 2; i++)
		if (channel->drives[i].disk)
			reset_drive(&channel->drives[i]);
	channel->transfer = ATA_NO_TRANSFER;
	channel->position = channel->filled = 0;
	channel->left = 0;
	/* The signature of a disk. */
	channel->count = channel->low = (struct ata_register){.now = 1};
	channel->middle = channel->high = channel->features = (struct ata_register){0};
	channel->device = 0;
	ata_interrupt(channel, false);
}

struct ata_drive *ata_selected(struct ata_channel *channel)
{
	struct ata_drive *drive = &channel->drives[channel->device & ATA_DEVICE_SECOND ? 1 : 0];
	return drive->disk ? drive : NULL;
}

void ata_interrupt(struct ata_channel *channel, bool is_interrupting)
{
	channel->is_interrupting = is_interrupting;
	if (is_interrupting)
		channel->master.status |= ATA_MASTER_INTERRUPT;
	interrupt_set(&channel->line, is_interrupting && !(channel->control & ATA_CONTROL_SILENT));
}

void ata_succeed(struct ata_channel *channel, struct ata_drive *drive)
{
	channel->transfer = ATA_NO_TRANSFER;
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE;
	drive->error = 0;
	ata_interrupt(channel, true);
}

void ata_fail(struct ata_channel *channel, struct ata_drive *drive, uint8_t error)
{
	channel->transfer = ATA_NO_TRANSFER;
	channel->left = 0;
	drive->status = ATA_STATUS_READY | ATA_STATUS_COMPLETE | ATA_STATUS_ERROR;
	drive->error = error;
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
		return drive ? read_register(channel, &channel->count) : 0;
	case LOW:
		return drive ? read_register(channel, &channel->low) : 0;
	case MIDDLE:
		return drive ? read_register(channel, &channel->middle) : 0;
	case HIGH:
		return drive ? read_register(channel, &channel->high) : 0;
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
	memset(data, 0, size);
	for (unsigned i = 0; i < size && channel->transfer == ATA_PIO_IN; i++) {
		data[i] = channel->buffer[channel->position++];
		if (channel->position == channel->filled)
			ata_fill(channel);
	}
}

static void write_data(struct ata_channel *channel, const uint8_t *data, unsigned size)
{
	for (unsigned i = 0; i < size && channel->transfer == ATA_PIO_OUT; i++) {
		channel->buffer[channel->position++] = data[i];
		if (channel->position == channel->filled)
			ata_drain(channel);
	}
}

static void command_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct ata_channel *channel = device;
	pthread_mutex_lock(&channel->lock);
	if (offset == DATA && size > 1)
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

static void write_port(struct ata_channel *channel, uint64_t port, uint8_t byte)
{
	channel->control &= (uint8_t)~ATA_CONTROL_BEFORE;
	switch (port) {
	case FEATURES:
		write_register(&channel->features, byte);
		break;
	case COUNT:
		write_register(&channel->count, byte);
		break;
	case LOW:
		write_register(&channel->low, byte);
		break;
	case MIDDLE:
		write_register(&channel->middle, byte);
		break;
	case HIGH:
		write_register(&channel->high, byte);
		break;
	case DEVICE:
		channel->device = byte;
		break;
	case COMMAND:
		write_command(channel, byte);
		break;
	default:
		break;
	}
}

static void command_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct ata_channel *channel = device;
	pthread_mutex_lock(&channel->lock);
	if (offset == DATA && size > 1)
		write_data(channel, data, size);
	else if (size == 1)
		write_port(channel, offset, *(const uint8_t *)data);
	pthread_mutex_unlock(&channel->lock);
}

static void control_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct ata_channel *channel = device;
	pthread_mutex_lock(&channel->lock);
	if (channel->drives[0].disk || channel->drives[1].disk)
		*(uint8_t *)data = read_status(channel);
	pthread_mutex_unlock(&channel->lock);
}

static void control_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct ata_channel *channel = device;
	uint8_t control = *(const uint8_t *)data;
	pthread_mutex_lock(&channel->lock);
	bool was_resetting = channel->control & ATA_CONTROL_RESET;
	channel->control = control;
	if (was_resetting && !(control & ATA_CONTROL_RESET))
		ata_reset(channel);
	ata_interrupt(channel, channel->is_interrupting && !(control & ATA_CONTROL_RESET));
	pthread_mutex_unlock(&channel->lock);
}

const struct bus_ops ata_command_ops = {.read = command_read, .write = command_write};
const struct bus_ops ata_control_ops = {.read = control_read, .write = control_write};
