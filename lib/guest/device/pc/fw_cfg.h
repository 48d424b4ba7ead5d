/* SPDX-License-Identifier: MIT */
/*
 * How the firmware learns what the computer has, and gets the tables that it puts into memory: the interface that
 * SeaBIOS knows (docs/specs/fw_cfg.rst of QEMU), by ports alone. It falls silent as soon as the firmware is done, so
 * that an operating system finds nothing that a computer of silicon has not.
 */
#ifndef GUEST_DEVICE_PC_FW_CFG_H
#define GUEST_DEVICE_PC_FW_CFG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/state.h"

enum {
	FW_CFG_PORTS = 0x510,
	FW_CFG_PORT_COUNT = 2,
	FW_CFG_ITEMS_MAX = 24,
	FW_CFG_NAME_MAX = 56,

	/* Items that are no files. */
	FW_CFG_SIGNATURE = 0x00,
	FW_CFG_ID = 0x01,
	FW_CFG_PROCESSORS = 0x05,
	FW_CFG_BOOT_MENU = 0x0e,
	FW_CFG_PROCESSORS_MAX = 0x0f,
	FW_CFG_DIRECTORY = 0x19,
	FW_CFG_FILES = 0x20,

	FW_CFG_DEBUG_PORT = 0x402,
	FW_CFG_LINE_MAX = 160,
};

struct fw_cfg_item {
	uint16_t key;
	char name[FW_CFG_NAME_MAX]; /* "" for one that is no file */
	uint8_t *data;              /* owned */
	uint32_t size;
};

struct fw_cfg {
	pthread_mutex_t lock; /* guards the selection, the line and whether it is silent */
	struct fw_cfg_item items[FW_CFG_ITEMS_MAX];
	unsigned count, file_count;
	const struct fw_cfg_item *selected; /* NULL: one that is not there */
	uint32_t position;
	bool is_silent;
	char line[FW_CFG_LINE_MAX + 1]; /* of the firmware's messages, its beginning */
	unsigned line_size;
};

extern const struct bus_ops fw_cfg_ops;       /* for FW_CFG_PORTS */
extern const struct bus_ops fw_cfg_debug_ops; /* for FW_CFG_DEBUG_PORT: to the log of the library */

void fw_cfg_init(struct fw_cfg *fw_cfg);
void fw_cfg_release(struct fw_cfg *fw_cfg);

/* Adds a copy. 0 or -ENOMEM with the error set. */
int fw_cfg_add_item(struct fw_cfg *fw_cfg, uint16_t key, const void *data, size_t size);
int fw_cfg_add_number(struct fw_cfg *fw_cfg, uint16_t key, uint64_t value, unsigned size);
int fw_cfg_add_file(struct fw_cfg *fw_cfg, const char *name, const void *data, size_t size);

/* The last to be added: what says which files there are. */
int fw_cfg_add_directory(struct fw_cfg *fw_cfg);

/* The firmware is done. */
void fw_cfg_silence(struct fw_cfg *fw_cfg);

/* How far the firmware has come; for another one with the same items. 0, or -EINVAL with the error set. */
void fw_cfg_save(struct fw_cfg *fw_cfg, struct state_writer *out);
int fw_cfg_load(struct fw_cfg *fw_cfg, struct state_reader *in);

#endif
