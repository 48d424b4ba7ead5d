/* SPDX-License-Identifier: MIT */
/* The tables by which an operating system learns of the computer's processors, controllers, devices and power. */
#ifndef GUEST_KERNEL_ACPI_ACPI_H
#define GUEST_KERNEL_ACPI_ACPI_H

#include <virtiso/guest_kernel.h>

#include "guest/device/ram.h"
#include "guest/kernel/acpi/aml.h"

struct acpi_setting {
	viso_platform platform;
	unsigned processors;
	unsigned virtio_count; /* places of virtio devices that are taken */
	uint32_t base, size;   /* where they lie: memory that nobody else uses */
};

/* On a PC the sleep type of S5 is 0. */
enum { ACPI_RSDP_SIZE = 36, ACPI_PC_OFF = 0 };

/*
 * Puts them into memory, all but the RSDP, by which they are found: that one goes where the operating system looks for
 * it, or is told that it is. False where there is no room.
 */
bool acpi_build(const struct acpi_setting *setting, const struct ram *ram, uint8_t out_rsdp[ACPI_RSDP_SIZE]);

/* What the DSDT contains. */
void dsdt_describe(struct aml *aml, const struct acpi_setting *setting);

/* The table of Intel's MultiProcessor Specification 1.4, for systems without ACPI, at LAYOUT_MP. False without room. */
bool mp_build(const struct acpi_setting *setting, const struct ram *ram);

/* Of bytes, so that with it their sum is 0. */
uint8_t acpi_checksum(const void *data, size_t size);

#endif
