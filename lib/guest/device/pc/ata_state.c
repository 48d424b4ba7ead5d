/* SPDX-License-Identifier: MIT */
/* A channel of a computer that is frozen, with whatever is on its way. */
#include <string.h>

#include "guest/device/pc/atapi.h"

struct drive_state {
	uint64_t size; /* of the disk; 0: there is none */
	uint16_t heads, sectors;
	struct ata_register registers[5];
	uint8_t status, error, multiple, mode, is_cd, is_write_cached;
	uint8_t sense, code, qualifier, event, is_changed, is_out, is_locked;
	uint8_t unused[5];
};

struct channel_state {
	struct drive_state drives[2];
	uint64_t sector;
	uint32_t left, block, position, filled, held, part_max, table;
	uint8_t device, control, is_interrupting, transfer, drive, is_dma, command, status;
	uint8_t unused[4];
	uint8_t buffer[ATA_BUFFER];
};

static void save_drive(const struct ata_drive *drive, struct drive_state *out)
{
	const struct ata_cd *cd = &drive->cd;
	*out = (struct drive_state){
		.size = drive->disk ? disk_size(drive->disk) : 0,
		.heads = drive->heads,
		.sectors = drive->sectors,
		.registers = {drive->features, drive->count, drive->low, drive->middle, drive->high},
		.status = drive->status,
		.error = drive->error,
		.multiple = drive->multiple,
		.mode = drive->mode,
		.is_cd = drive->is_cd,
		.is_write_cached = drive->is_write_cached,
		.sense = cd->sense,
		.code = cd->code,
		.qualifier = cd->qualifier,
		.event = cd->event,
		.is_changed = cd->is_changed,
		.is_out = cd->is_out,
		.is_locked = cd->is_locked,
	};
}

static void save_transfer(const struct ata_channel *channel, struct channel_state *out)
{
	out->sector = channel->sector;
	out->left = channel->left;
	out->block = channel->block;
	out->position = channel->position;
	out->filled = channel->filled;
	out->held = channel->held;
	out->part_max = channel->part_max;
	out->transfer = (uint8_t)channel->transfer;
	out->drive = channel->drive == &channel->drives[1];
	out->is_dma = channel->is_dma;
	memcpy(out->buffer, channel->buffer, sizeof(out->buffer));
}

void ata_save(struct ata_channel *channel, struct state_writer *out)
{
	struct channel_state state = {.device = 0};
	pthread_mutex_lock(&channel->lock);
	for (int i = 0; i < 2; i++)
		save_drive(&channel->drives[i], &state.drives[i]);
	save_transfer(channel, &state);
	state.device = channel->device;
	state.control = channel->control;
	state.is_interrupting = channel->is_interrupting;
	state.table = channel->master.table;
	state.command = channel->master.command;
	state.status = channel->master.status;
	pthread_mutex_unlock(&channel->lock);
	state_put(out, &state, sizeof(state));
}

/* What the guest knows of the drive must still be so. */
static bool is_good_drive(const struct ata_drive *drive, const struct drive_state *state)
{
	return state->size == (drive->disk ? disk_size(drive->disk) : 0) && state->is_cd == drive->is_cd &&
	       (!drive->disk || (state->heads && state->sectors)) && state->multiple <= ATA_MULTIPLE_MAX &&
	       state->is_write_cached <= 1 && state->is_changed <= 1 && state->is_out <= 1 && state->is_locked <= 1;
}

/* Those without a packet; those with one, which only a CD-ROM has; and that there is something to move. */
static bool is_good_transfer(const struct ata_channel *channel, const struct channel_state *state)
{
	const struct ata_drive *drive = &channel->drives[state->drive];
	bool is_rest = state->position < state->filled && state->filled <= ATA_BUFFER;
	switch (state->transfer) {
	case ATA_NO_TRANSFER:
		return true;
	case ATA_PIO_OUT:
		is_rest = is_rest && state->filled % DISK_SECTOR == 0 && state->filled / DISK_SECTOR <= state->left;
		return drive->disk && is_rest && state->block >= 1 && state->block <= ATA_MULTIPLE_MAX;
	case ATA_PIO_IN:
		return drive->disk && is_rest && state->block <= ATA_MULTIPLE_MAX && (state->block || !state->left);
	case ATA_DMA_IN:
	case ATA_DMA_OUT:
		return drive->disk;
	case ATA_PACKET:
		return drive->disk && drive->is_cd && is_rest && state->filled == ATAPI_PACKET && state->part_max >= 2;
	case ATA_PACKET_IN:
		return drive->disk && drive->is_cd && is_rest && state->filled <= state->held && state->part_max >= 2;
	case ATA_PACKET_REPLY:
		return drive->disk && drive->is_cd && state->held >= 1;
	default:
		return false;
	}
}

static bool is_good(const struct ata_channel *channel, const struct channel_state *state)
{
	return is_good_drive(&channel->drives[0], &state->drives[0]) &&
	       is_good_drive(&channel->drives[1], &state->drives[1]) && state->is_interrupting <= 1 &&
	       state->drive <= 1 && state->is_dma <= 1 && state->held <= ATA_BUFFER && state->part_max <= UINT16_MAX &&
	       !(state->table & 3) && is_good_transfer(channel, state);
}

static void load_drive(struct ata_drive *drive, const struct drive_state *state)
{
	drive->features = state->registers[0];
	drive->count = state->registers[1];
	drive->low = state->registers[2];
	drive->middle = state->registers[3];
	drive->high = state->registers[4];
	drive->heads = state->heads;
	drive->sectors = state->sectors;
	drive->status = state->status;
	drive->error = state->error;
	drive->multiple = state->multiple;
	drive->mode = state->mode;
	drive->is_write_cached = state->is_write_cached;
	drive->cd = (struct ata_cd){
		.sense = state->sense,
		.code = state->code,
		.qualifier = state->qualifier,
		.event = state->event,
		.is_changed = state->is_changed,
		.is_out = state->is_out,
		.is_locked = state->is_locked,
	};
}

static void load_transfer(struct ata_channel *channel, const struct channel_state *state)
{
	channel->sector = state->sector;
	channel->left = state->left;
	channel->block = state->block;
	channel->position = state->position;
	channel->filled = state->filled;
	channel->held = state->held;
	channel->part_max = state->part_max;
	channel->transfer = (enum ata_transfer)state->transfer;
	channel->drive = &channel->drives[state->drive];
	channel->is_dma = state->is_dma;
	memcpy(channel->buffer, state->buffer, sizeof(state->buffer));
}

int ata_load(struct ata_channel *channel, struct state_reader *in)
{
	struct channel_state state;
	if (!state_get(in, &state, sizeof(state)) || !is_good(channel, &state))
		return state_damaged("disks");
	pthread_mutex_lock(&channel->lock);
	for (int i = 0; i < 2; i++)
		load_drive(&channel->drives[i], &state.drives[i]);
	load_transfer(channel, &state);
	channel->device = state.device;
	channel->control = state.control;
	channel->is_interrupting = state.is_interrupting;
	channel->master = (struct ata_master){.command = state.command, .status = state.status, .table = state.table};
	interrupt_set(&channel->line, state.is_interrupting && !(state.control & ATA_CONTROL_SILENT));
	pthread_mutex_unlock(&channel->lock);
	return 0;
}
