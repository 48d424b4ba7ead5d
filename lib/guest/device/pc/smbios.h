/* SPDX-License-Identifier: MIT */
/*
 * What a PC says of its maker (DSP0134, SMBIOS 2.8): nothing that means anything, and nothing that programs look for
 * which ask whether they run in a virtual machine.
 */
#ifndef GUEST_DEVICE_PC_SMBIOS_H
#define GUEST_DEVICE_PC_SMBIOS_H

#include <stddef.h>
#include <stdint.h>

enum { SMBIOS_ENTRY = 31, SMBIOS_TABLES_MAX = 512 };

/* The tables; their size. And the entry point for them, whose address and checksums the firmware fills in. */
size_t smbios_tables(uint8_t tables[SMBIOS_TABLES_MAX]);
void smbios_entry(const uint8_t *tables, size_t size, uint8_t entry[SMBIOS_ENTRY]);

#endif
