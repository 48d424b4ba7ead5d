/* SPDX-License-Identifier: MIT */
/* The devices that make a PC of a computer, and what the host does with them. */
#ifndef GUEST_KERNEL_PC_PC_H
#define GUEST_KERNEL_PC_PC_H

#include "guest/device/disk.h"
#include "guest/device/pc/acpi_pm.h"
#include "guest/device/pc/chipset.h"
#include "guest/device/pc/fw_cfg.h"
#include "guest/device/pc/i8042.h"
#include "guest/device/pc/ide.h"
#include "guest/device/pc/pci.h"
#include "guest/device/pc/rtc.h"
#include "guest/device/pc/vga.h"
#include "guest/kernel/machine.h"

/* Room for tables of ACPI at the end of the memory below 4 GiB, where firmware has the place of MICROVM's tables. */
enum { PC_TABLES = 64 << 10 };

/* The thread that gives devices their time. */
struct pc_clock {
	pthread_mutex_t lock; /* guards all that follows */
	pthread_cond_t changed;
	int64_t next; /* CLOCK_MONOTONIC: when it looks again */
	bool is_paused, should_end, is_busy;
	pthread_t thread;
	bool has_thread;
};

struct pc {
	struct machine *machine;
	struct pci pci;
	struct chipset chipset;
	struct ide ide;
	struct acpi_pm pm;
	struct rtc rtc;
	struct i8042 i8042;
	struct vga vga;
	struct fw_cfg fw_cfg; /* empty where a kernel is booted without firmware */
	struct disk *disks[IDE_DISKS_MAX];
	unsigned disk_count;
	uint8_t *video;    /* VGA_MEMORY_SIZE bytes */
	uint8_t *firmware; /* what lies below 4 GiB; NULL for none */
	size_t firmware_size;
	struct pc_clock clock;
};

/* Each 0 or a negative errno with the error set. */
int pc_clock_init(struct pc_clock *clock);
int pc_clock_start(struct pc *pc);
void pc_clock_pause(struct pc *pc, bool is_paused);
void pc_clock_stop(struct pc *pc);
void pc_clock_release(struct pc_clock *clock);
/* A device has changed its mind about its next event; struct pc_wake. */
void pc_clock_wake(void *pc);

/* As struct machine_device_ops has it: all of a PC but its serial ports. */
int pc_save(void *pc, struct state_writer *out);
int pc_load(void *pc, struct state_reader *in);

/* Puts the firmware where the processor begins, and what it asks for where it asks. NULL: the default. */
int pc_add_firmware(struct pc *pc, const char *path);

#endif
