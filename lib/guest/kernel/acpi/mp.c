/* SPDX-License-Identifier: MIT */
/* The table of Intel's MultiProcessor Specification 1.4, chapter 4. */
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "guest/kernel/acpi/acpi.h"
#include "guest/kernel/layout.h"

enum { SPACE = 4096, LINES = 16, VERSION = 4, APIC_VERSION = 0x14 };
enum { PROCESSOR = 0, BUS = 1, IO_APIC = 2, IO_LINE = 3, LOCAL_LINE = 4 };
enum { KIND_INTERRUPT = 0, KIND_NMI = 1, KIND_EXTERNAL = 3, TO_ALL = 0xff };

struct __attribute__((packed)) pointer {
	char signature[4];
	uint32_t table;
	uint8_t length; /* in units of 16 bytes */
	uint8_t version;
	uint8_t checksum;
	uint8_t features[5];
};

struct __attribute__((packed)) table {
	char signature[4];
	uint16_t length;
	uint8_t version;
	uint8_t checksum;
	char oem[8];
	char product[12];
	uint32_t oem_table;
	uint16_t oem_size;
	uint16_t count;
	uint32_t local_apic;
	uint32_t extended;
};

struct __attribute__((packed)) processor {
	uint8_t type, id, apic_version;
	uint8_t flags; /* 1: usable, 2: the first */
	uint32_t signature, features;
	uint32_t reserved[2];
};

struct __attribute__((packed)) bus {
	uint8_t type, id;
	char name[6];
};

struct __attribute__((packed)) io_apic {
	uint8_t type, id, version, flags;
	uint32_t address;
};

struct __attribute__((packed)) line {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, source, to, input;
};

static uint16_t put_entries(struct aml *out, unsigned processors)
{
	enum { FAMILY = 0x600, FEATURES = 0x201, USABLE = 1, FIRST = 2 }; /* FPU and APIC */
	const struct bus isa = {.type = BUS, .name = "ISA   "};
	const struct io_apic io_apic = {
		.type = IO_APIC, .version = APIC_VERSION, .flags = USABLE, .address = LAYOUT_IO_APIC};
	for (unsigned i = 0; i < processors; i++) {
		const struct processor entry = {
			.type = PROCESSOR,
			.id = (uint8_t)i,
			.apic_version = APIC_VERSION,
			.flags = USABLE | (i == 0 ? FIRST : 0),
			.signature = FAMILY,
			.features = FEATURES,
		};
		aml_bytes(out, &entry, sizeof(entry));
	}
	aml_bytes(out, &isa, sizeof(isa));
	aml_bytes(out, &io_apic, sizeof(io_apic));
	for (uint8_t i = 0; i < LINES; i++) {
		const struct line entry = {.type = IO_LINE, .kind = KIND_INTERRUPT, .source = i, .to = 0, .input = i};
		aml_bytes(out, &entry, sizeof(entry));
	}
	for (uint8_t i = 0; i < 2; i++) {
		const struct line entry = {
			.type = LOCAL_LINE, .kind = i ? KIND_NMI : KIND_EXTERNAL, .to = i ? TO_ALL : 0, .input = i};
		aml_bytes(out, &entry, sizeof(entry));
	}
	return (uint16_t)(processors + 2 + LINES + 2);
}

bool mp_build(const struct acpi_setting *setting, const struct ram *ram)
{
	_cleanup_free_ uint8_t *data = calloc(1, SPACE);
	if (!data)
		return false;
	struct aml out = {.data = data, .max = SPACE};
	struct pointer pointer = {
		.signature = "_MP_", .table = LAYOUT_MP + sizeof(pointer), .length = 1, .version = VERSION};
	pointer.checksum = acpi_checksum(&pointer, sizeof(pointer));
	aml_bytes(&out, &pointer, sizeof(pointer));
	struct table table = {.signature = "PCMP",
			      .version = VERSION,
			      .oem = "OEM     ",
			      .product = "COMPUTER    ",
			      .local_apic = LAYOUT_LOCAL_APIC};
	aml_bytes(&out, &table, sizeof(table));
	table.count = put_entries(&out, setting->processors);
	table.length = (uint16_t)(out.size - sizeof(pointer));
	memcpy(data + sizeof(pointer), &table, sizeof(table));
	table.checksum = acpi_checksum(data + sizeof(pointer), table.length);
	memcpy(data + sizeof(pointer), &table, sizeof(table));
	return !out.is_full && ram_write(ram, LAYOUT_MP, data, out.size);
}
