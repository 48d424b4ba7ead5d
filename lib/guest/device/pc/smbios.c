/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/smbios.h"

#include <string.h>

#include "guest/device/bus.h"

enum { HEADER = 4, COUNT = 5, LARGEST = 0x1b };

struct writer {
	uint8_t *at;
	unsigned count;
};

/* A structure: its formatted part without the header, then its strings, each with its end, and one more end. */
static void put(struct writer *writer, uint8_t type, const uint8_t *part, uint8_t size, const char *strings,
		size_t strings_size)
{
	uint8_t *at = writer->at;
	at[0] = type;
	at[1] = (uint8_t)(HEADER + size);
	bus_put(&at[2], 2, writer->count++); /* its handle */
	memcpy(at + HEADER, part, size);
	memcpy(at + HEADER + size, strings, strings_size);
	writer->at = at + HEADER + size + strings_size;
}

size_t smbios_tables(uint8_t tables[SMBIOS_TABLES_MAX])
{
	/* Strings have an end of their own, and the literal's end is that of all. */
	static const char bios[] = "BIOS\0"
				   "1.0\0"
				   "01/01/2020\0",
			  system[] = "PC\0"
				     "PC\0"
				     "1.0\0",
			  chassis[] = "PC\0", none[] = "\0";
	/* Names 1 and 2, its segment 0xf000, name 3, 64 KiB; PCI, can be upgraded, boots from CD; ACPI; versions. */
	static const uint8_t bios_part[20] = {1, 2, 0x00, 0xf0, 3,    0, 0x80, 0x88, 0,    0,
					      0, 0, 0,    0,    0x01, 0, 1,    0,    0xff, 0xff};
	/* Maker, product, version; no serial number; no UUID; switched on by its button. */
	static const uint8_t system_part[23] = {1, 2, 3, 0, [20] = 6};
	/* A desktop, all states safe. */
	static const uint8_t chassis_part[17] = {1, 3, 0, 0, 0, 3, 3, 3, 3};
	struct writer writer = {.at = tables};
	put(&writer, 0, bios_part, sizeof(bios_part), bios, sizeof(bios));
	put(&writer, 1, system_part, sizeof(system_part), system, sizeof(system));
	put(&writer, 3, chassis_part, sizeof(chassis_part), chassis, sizeof(chassis));
	static const uint8_t boot_part[16] = {0};
	put(&writer, 32, boot_part, sizeof(boot_part), none, sizeof(none));
	put(&writer, 127, boot_part, 0, none, sizeof(none));
	return (size_t)(writer.at - tables);
}

void smbios_entry(const uint8_t *tables, size_t size, uint8_t entry[SMBIOS_ENTRY])
{
	memset(entry, 0, SMBIOS_ENTRY);
	memcpy(entry, "_SM_", 4);
	entry[0x05] = SMBIOS_ENTRY;
	entry[0x06] = 2;
	entry[0x07] = 8;
	bus_put(&entry[0x08], 2, LARGEST + HEADER + 64);
	memcpy(&entry[0x10], "_DMI_", 5);
	bus_put(&entry[0x16], 2, size);
	bus_put(&entry[0x1c], 2, COUNT);
	entry[0x1e] = 0x28;
}
