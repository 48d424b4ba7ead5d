/* SPDX-License-Identifier: MIT */
/*
 * A VGA in text mode: its registers (IBM PS/2 Video Subsystem Technical Reference) keep what is written, and its memory
 * is ordinary memory of the guest, which costs no exits, and which the host reads as text.
 */
#ifndef GUEST_DEVICE_PC_VGA_H
#define GUEST_DEVICE_PC_VGA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/state.h"

enum {
	VGA_PORTS = 0x3c0, /* 0x20 of them, those of a monochrome display excepted */
	VGA_PORT_COUNT = 32,
	VGA_MEMORY = 0xa0000,
	VGA_MEMORY_SIZE = 0x20000,
	/* Texts are cut there; each of its characters takes at most three bytes. */
	VGA_COLUMNS_MAX = 132,
	VGA_ROWS_MAX = 60,
	VGA_TEXT_MAX = (VGA_COLUMNS_MAX * 3 + 1) * VGA_ROWS_MAX + 1,
};

struct vga {
	pthread_mutex_t lock; /* guards all that follows */
	uint8_t crtc[32], sequencer[8], graphics[16], attribute[32];
	uint8_t crtc_index, sequencer_index, graphics_index, attribute_index;
	bool is_attribute_data; /* the next write to the attribute controller */
	uint8_t miscellaneous, feature;
	uint8_t dac[768], dac_mask;
	unsigned dac_read, dac_write; /* positions in `dac` */
	uint8_t status;
	const uint8_t *memory; /* VGA_MEMORY_SIZE bytes, which the guest changes at any time; borrowed */
};

extern const struct bus_ops vga_ops; /* for VGA_PORTS */

/* It begins in text mode with 80 columns and 25 rows. */
void vga_init(struct vga *vga, const uint8_t *memory);
void vga_release(struct vga *vga);

/*
 * What the screen shows, as UTF-8: a line for each row, without the blanks behind it, each with a newline; empty rows
 * at the end are left out. Its length, or -ENODATA where the screen shows no text.
 */
int vga_text(struct vga *vga, char text[VGA_TEXT_MAX]);

/* Without its memory. 0, or -EINVAL with the error set. */
void vga_save(struct vga *vga, struct state_writer *out);
int vga_load(struct vga *vga, struct state_reader *in);

#endif
