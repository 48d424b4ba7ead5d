/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/vga.h"

#include <errno.h>
#include <string.h>

#include "guest/device/pc/code_page.h"

/* Ports, counted from VGA_PORTS. */
enum {
	ATTRIBUTE = 0x00,
	ATTRIBUTE_READ = 0x01,
	MISCELLANEOUS = 0x02, /* written; read: input status 0 */
	SEQUENCER_INDEX = 0x04,
	SEQUENCER = 0x05,
	DAC_MASK = 0x06,
	DAC_READ = 0x07, /* written; read: state */
	DAC_WRITE = 0x08,
	DAC = 0x09,
	FEATURE_READ = 0x0a,
	MISCELLANEOUS_READ = 0x0c,
	GRAPHICS_INDEX = 0x0e,
	GRAPHICS = 0x0f,
	CRTC_INDEX = 0x14,
	CRTC = 0x15,
	STATUS = 0x1a, /* input status 1; written: feature control */
};

/* Registers behind indices. */
enum {
	CRTC_COLUMNS = 0x01,
	CRTC_OVERFLOW = 0x07,
	CRTC_CELL = 0x09,
	CRTC_START_HIGH = 0x0c,
	CRTC_START_LOW = 0x0d,
	CRTC_LINES = 0x12,
	CRTC_PITCH = 0x13,
	ATTRIBUTE_MODE = 0x10,
	GRAPHICS_MISCELLANEOUS = 0x06,
};

enum { RETRACE = 0x09, TEXT_BASE = 0x18000, TEXT_SIZE = 0x8000 };

void vga_init(struct vga *vga, const uint8_t *memory)
{
	/* Mode 3: what has to do with time is left out, since nothing here shows a picture. */
	*vga = (struct vga){.memory = memory, .miscellaneous = 0x67, .dac_mask = 0xff};
	pthread_mutex_init(&vga->lock, NULL);
	vga->crtc[CRTC_COLUMNS] = 79;
	vga->crtc[CRTC_OVERFLOW] = 0x1f;
	vga->crtc[CRTC_CELL] = 0x4f;
	vga->crtc[CRTC_LINES] = 0x8f;
	vga->crtc[CRTC_PITCH] = 40;
	vga->attribute[ATTRIBUTE_MODE] = 0x0c;
	vga->graphics[GRAPHICS_MISCELLANEOUS] = 0x0e;
	vga->sequencer[2] = 3;
	vga->sequencer[4] = 2;
}

void vga_release(struct vga *vga)
{
	pthread_mutex_destroy(&vga->lock);
}

static uint8_t read_dac(struct vga *vga)
{
	uint8_t value = vga->dac[vga->dac_read];
	vga->dac_read = (vga->dac_read + 1) % sizeof(vga->dac);
	return value;
}

/* Whoever waits for a retrace sees it begin and end at every second look. */
static uint8_t read_status(struct vga *vga)
{
	vga->is_attribute_data = false;
	vga->status ^= RETRACE;
	return vga->status;
}

static uint8_t read_port(struct vga *vga, uint64_t port)
{
	switch (port) {
	case ATTRIBUTE:
		return vga->attribute_index;
	case ATTRIBUTE_READ:
		return vga->attribute[vga->attribute_index & 31];
	case MISCELLANEOUS:
		return 0x10; /* a display with colours */
	case SEQUENCER_INDEX:
		return vga->sequencer_index;
	case SEQUENCER:
		return vga->sequencer[vga->sequencer_index & 7];
	case DAC_MASK:
		return vga->dac_mask;
	case DAC_READ:
		return 0;
	case DAC_WRITE:
		return (uint8_t)(vga->dac_write / 3);
	case DAC:
		return read_dac(vga);
	case FEATURE_READ:
		return vga->feature;
	case MISCELLANEOUS_READ:
		return vga->miscellaneous;
	case GRAPHICS_INDEX:
		return vga->graphics_index;
	case GRAPHICS:
		return vga->graphics[vga->graphics_index & 15];
	case CRTC_INDEX:
		return vga->crtc_index;
	case CRTC:
		return vga->crtc[vga->crtc_index & 31];
	case STATUS:
		return read_status(vga);
	default:
		return 0xff;
	}
}

static void write_attribute(struct vga *vga, uint8_t value)
{
	if (vga->is_attribute_data)
		vga->attribute[vga->attribute_index & 31] = value;
	else
		vga->attribute_index = value & 0x3f;
	vga->is_attribute_data = !vga->is_attribute_data;
}

static void write_dac(struct vga *vga, uint8_t value)
{
	vga->dac[vga->dac_write] = value & 0x3f;
	vga->dac_write = (vga->dac_write + 1) % sizeof(vga->dac);
}

static void write_port(struct vga *vga, uint64_t port, uint8_t value)
{
	switch (port) {
	case ATTRIBUTE:
		write_attribute(vga, value);
		break;
	case MISCELLANEOUS:
		vga->miscellaneous = value;
		break;
	case SEQUENCER_INDEX:
		vga->sequencer_index = value;
		break;
	case SEQUENCER:
		vga->sequencer[vga->sequencer_index & 7] = value;
		break;
	case DAC_MASK:
		vga->dac_mask = value;
		break;
	case DAC_READ:
		vga->dac_read = value * 3u;
		break;
	case DAC_WRITE:
		vga->dac_write = value * 3u;
		break;
	case DAC:
		write_dac(vga, value);
		break;
	case GRAPHICS_INDEX:
		vga->graphics_index = value;
		break;
	case GRAPHICS:
		vga->graphics[vga->graphics_index & 15] = value;
		break;
	case CRTC_INDEX:
		vga->crtc_index = value;
		break;
	case CRTC:
		vga->crtc[vga->crtc_index & 31] = value;
		break;
	case STATUS:
		vga->feature = value;
		break;
	default:
		break;
	}
}

static void vga_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct vga *vga = device;
	uint8_t *bytes = data;
	pthread_mutex_lock(&vga->lock);
	for (unsigned i = 0; i < size; i++)
		bytes[i] = read_port(vga, offset + i);
	pthread_mutex_unlock(&vga->lock);
}

/* Index and value are often written by one access of two bytes. */
static void vga_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct vga *vga = device;
	const uint8_t *bytes = data;
	pthread_mutex_lock(&vga->lock);
	for (unsigned i = 0; i < size; i++)
		write_port(vga, offset + i, bytes[i]);
	pthread_mutex_unlock(&vga->lock);
}

const struct bus_ops vga_ops = {.read = vga_read, .write = vga_write};

struct screen {
	unsigned columns, rows, start, pitch; /* the last two in characters */
};

static bool measure(const struct vga *vga, struct screen *out_screen)
{
	/* Not by where the memory is: text stays where it is while a BIOS writes fonts elsewhere. */
	if (vga->attribute[ATTRIBUTE_MODE] & 1 || vga->graphics[GRAPHICS_MISCELLANEOUS] & 1)
		return false;
	uint8_t overflow = vga->crtc[CRTC_OVERFLOW];
	unsigned lines = vga->crtc[CRTC_LINES] | (overflow & 0x02u) << 7 | (overflow & 0x40u) << 3;
	unsigned rows = (lines + 1) / ((vga->crtc[CRTC_CELL] & 31u) + 1), columns = vga->crtc[CRTC_COLUMNS] + 1u;
	out_screen->rows = rows < VGA_ROWS_MAX ? rows : VGA_ROWS_MAX;
	out_screen->columns = columns < VGA_COLUMNS_MAX ? columns : VGA_COLUMNS_MAX;
	out_screen->start = vga->crtc[CRTC_START_LOW] | (unsigned)vga->crtc[CRTC_START_HIGH] << 8;
	out_screen->pitch = vga->crtc[CRTC_PITCH] * 2u;
	return true;
}

static char *put_row(const struct vga *vga, const struct screen *screen, unsigned row, char *at)
{
	char *end = at;
	for (unsigned column = 0; column < screen->columns; column++) {
		unsigned cell = screen->start + row * screen->pitch + column;
		uint8_t code = vga->memory[TEXT_BASE + cell * 2 % TEXT_SIZE];
		at += code_page_put(code, at);
		if (code != ' ' && code != 0)
			end = at;
	}
	*end++ = '\n';
	return end;
}

int vga_text(struct vga *vga, char text[VGA_TEXT_MAX])
{
	struct screen screen;
	char *at = text;
	pthread_mutex_lock(&vga->lock);
	bool is_text = measure(vga, &screen);
	pthread_mutex_unlock(&vga->lock);
	if (!is_text)
		return -ENODATA;
	char *end = text;
	for (unsigned row = 0; row < screen.rows; row++) {
		char *begin = at;
		at = put_row(vga, &screen, row, at);
		end = at - begin > 1 ? at : end;
	}
	*end = '\0';
	return (int)(end - text);
}

struct vga_state {
	uint8_t crtc[32], sequencer[8], graphics[16], attribute[32];
	uint8_t crtc_index, sequencer_index, graphics_index, attribute_index;
	uint8_t is_attribute_data, miscellaneous, feature, dac_mask;
	uint8_t dac[768];
	uint16_t dac_read, dac_write;
	uint8_t status, unused[3];
};

void vga_save(struct vga *vga, struct state_writer *out)
{
	pthread_mutex_lock(&vga->lock);
	struct vga_state state = {
		.crtc_index = vga->crtc_index,
		.sequencer_index = vga->sequencer_index,
		.graphics_index = vga->graphics_index,
		.attribute_index = vga->attribute_index,
		.is_attribute_data = vga->is_attribute_data,
		.miscellaneous = vga->miscellaneous,
		.feature = vga->feature,
		.dac_mask = vga->dac_mask,
		.dac_read = (uint16_t)vga->dac_read,
		.dac_write = (uint16_t)vga->dac_write,
		.status = vga->status,
	};
	memcpy(state.crtc, vga->crtc, sizeof(state.crtc));
	memcpy(state.sequencer, vga->sequencer, sizeof(state.sequencer));
	memcpy(state.graphics, vga->graphics, sizeof(state.graphics));
	memcpy(state.attribute, vga->attribute, sizeof(state.attribute));
	memcpy(state.dac, vga->dac, sizeof(state.dac));
	pthread_mutex_unlock(&vga->lock);
	state_put(out, &state, sizeof(state));
}

static void set_registers(struct vga *vga, const struct vga_state *state)
{
	memcpy(vga->crtc, state->crtc, sizeof(state->crtc));
	memcpy(vga->sequencer, state->sequencer, sizeof(state->sequencer));
	memcpy(vga->graphics, state->graphics, sizeof(state->graphics));
	memcpy(vga->attribute, state->attribute, sizeof(state->attribute));
	memcpy(vga->dac, state->dac, sizeof(state->dac));
	vga->crtc_index = state->crtc_index;
	vga->sequencer_index = state->sequencer_index;
	vga->graphics_index = state->graphics_index;
	vga->attribute_index = state->attribute_index;
	vga->is_attribute_data = state->is_attribute_data;
	vga->miscellaneous = state->miscellaneous;
	vga->feature = state->feature;
	vga->dac_mask = state->dac_mask;
	vga->dac_read = state->dac_read;
	vga->dac_write = state->dac_write;
	vga->status = state->status;
}

int vga_load(struct vga *vga, struct state_reader *in)
{
	struct vga_state state;
	if (!state_get(in, &state, sizeof(state)) || state.is_attribute_data > 1 ||
	    state.dac_read >= sizeof(state.dac) || state.dac_write >= sizeof(state.dac))
		return state_damaged("display");
	pthread_mutex_lock(&vga->lock);
	set_registers(vga, &state);
	pthread_mutex_unlock(&vga->lock);
	return 0;
}
