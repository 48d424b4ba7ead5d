/* SPDX-License-Identifier: MIT */
/*
 * Power management of ACPI with fixed hardware (ACPI 6.5, 4.8): PM1 events and control, the timer, a block of general
 * events of which none ever comes. There is no system management mode: the hardware is the operating system's from the
 * beginning (SCI_EN).
 */
#ifndef GUEST_DEVICE_PC_ACPI_PM_H
#define GUEST_DEVICE_PC_ACPI_PM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/interrupt.h"
#include "guest/device/pc/wake.h"
#include "guest/device/state.h"

/* Where its registers are, counted from its first port, as FADT tells. */
enum {
	ACPI_PM_EVENT = 0,    /* 2 bytes status, 2 bytes enable */
	ACPI_PM_CONTROL = 4,  /* 2 bytes */
	ACPI_PM_TIMER = 8,    /* 4 bytes, of which the timer has 24 bits */
	ACPI_PM_GENERAL = 12, /* 2 bytes status, 2 bytes enable */
	ACPI_PM_SIZE = 64,
	ACPI_PM_OFF = 0, /* the sleep type that \_S5 must tell */
};

struct acpi_pm {
	pthread_mutex_t lock;
	uint16_t status, enable, control, general_enable;
	uint64_t halves;       /* of the timer's period, that have been seen */
	int64_t offset;        /* of the timer's time from the host's: of one that goes on for another */
	int64_t (*now)(void);  /* nanoseconds */
	struct interrupt line; /* SCI: level-triggered */
	void (*power_off)(void *data);
	void *data;
	struct pc_wake wake;
};

extern const struct bus_ops acpi_pm_ops;

void acpi_pm_init(struct acpi_pm *pm, const struct interrupt *line, int64_t (*now)(void));
void acpi_pm_release(struct acpi_pm *pm);

/* The user presses the power button: what the operating system makes of it is its affair. */
void acpi_pm_press_power_button(struct acpi_pm *pm);

/* When the timer has something to say next, INT64_MAX: not; and saying it. */
int64_t acpi_pm_next(struct acpi_pm *pm);
void acpi_pm_advance(struct acpi_pm *pm);

/* For another one that was not used; its timer goes on. 0, or -EINVAL with the error set. */
void acpi_pm_save(struct acpi_pm *acpi_pm, struct state_writer *out);
int acpi_pm_load(struct acpi_pm *acpi_pm, struct state_reader *in);

#endif
