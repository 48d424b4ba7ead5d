/* SPDX-License-Identifier: MIT */
/* The tables of ACPI 6.5, chapter 5. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "guest/kernel/acpi/acpi.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/power.h"

enum { ALIGNMENT = 64, TABLES_MAX = 4 };

struct __attribute__((packed)) header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
};

struct __attribute__((packed)) address {
	uint8_t space; /* 1: ports */
	uint8_t bits;
	uint8_t offset;
	uint8_t access; /* 1: bytes */
	uint64_t address;
};

struct __attribute__((packed)) rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t checksum_all;
	uint8_t reserved[3];
};

struct __attribute__((packed)) fadt {
	struct header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved0;
	uint8_t profile;
	uint16_t sci_line;
	uint32_t smi_command;
	uint8_t smi_values[4];
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
	uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length, gpe0_length, gpe1_length;
	uint8_t gpe1_base, cst_control;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved1;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_revision;
	uint64_t x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control, x_pm_timer, x_gpe0,
		x_gpe1;
	struct address sleep_control, sleep_status;
};

_Static_assert(offsetof(struct fadt, sleep_control) == 244 && sizeof(struct fadt) == 268, "FADT of ACPI 5.1");

struct __attribute__((packed)) madt {
	struct header header;
	uint32_t local_apic;
	uint32_t flags; /* 1: there are 8259s as well */
};

struct __attribute__((packed)) madt_local_apic {
	uint8_t type, length, processor, id;
	uint32_t flags; /* 1: enabled */
};

struct __attribute__((packed)) madt_io_apic {
	uint8_t type, length, id, reserved;
	uint32_t address;
	uint32_t first_line;
};

struct __attribute__((packed)) madt_override {
	uint8_t type, length, bus, source;
	uint32_t line;
	uint16_t flags; /* 0xd: level-triggered, active high */
};

struct __attribute__((packed)) madt_nmi {
	uint8_t type, length, processor;
	uint16_t flags;
	uint8_t input;
};

struct __attribute__((packed)) facs {
	char signature[4];
	uint32_t length;
	uint8_t rest[56];
};

/* Tables one after another, at their addresses. */
struct tables {
	const struct acpi_setting *setting;
	uint8_t *data;
	struct aml out;             /* writes there */
	uint32_t found[TABLES_MAX]; /* what the RSDT lists */
	int count;
};

uint8_t acpi_checksum(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint8_t sum = 0;
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

static void align(struct tables *tables)
{
	static const uint8_t zeros[ALIGNMENT];
	aml_bytes(&tables->out, zeros, -tables->out.size % ALIGNMENT);
}

/* A PC does not tell who made it. */
static const char *oem(const struct tables *tables)
{
	return tables->setting->platform == VISO_PLATFORM_PC ? "OEMOEM" : "VIRTIS";
}

static struct header begin_header(const struct tables *tables, const char *signature, uint8_t revision)
{
	struct header header = {.revision = revision, .oem_revision = 1, .creator_revision = 1};
	memcpy(header.signature, signature, sizeof(header.signature));
	memcpy(header.oem, oem(tables), sizeof(header.oem));
	memcpy(header.oem_table, "COMPUTER", sizeof(header.oem_table));
	memcpy(header.creator, oem(tables), sizeof(header.creator));
	return header;
}

/* The rest of the table follows by aml_bytes(). Where it begins, for end_table(). */
static size_t begin_table(struct tables *tables, const void *data, size_t size)
{
	align(tables);
	size_t begin = tables->out.size;
	aml_bytes(&tables->out, data, size);
	return begin;
}

static uint32_t end_table(struct tables *tables, size_t begin)
{
	if (!tables->out.is_full) {
		struct header header;
		memcpy(&header, tables->data + begin, sizeof(header));
		header.length = (uint32_t)(tables->out.size - begin);
		memcpy(tables->data + begin, &header, sizeof(header));
		header.checksum = acpi_checksum(tables->data + begin, header.length);
		memcpy(tables->data + begin, &header, sizeof(header));
	}
	return tables->setting->base + (uint32_t)begin;
}

static uint32_t put_dsdt(struct tables *tables)
{
	const struct header header = begin_header(tables, "DSDT", 2);
	size_t begin = begin_table(tables, &header, sizeof(header));
	dsdt_describe(&tables->out, tables->setting);
	return end_table(tables, begin);
}

static struct address port(uint16_t number)
{
	return (struct address){.space = 1, .bits = 8, .access = 1, .address = number};
}

/* ACPI 6.5, table 5.9 and 5.10. */
enum {
	BOOT_LEGACY = 0x1,
	BOOT_8042 = 0x2,
	BOOT_NO_VGA = 0x4,
	BOOT_NO_CLOCK = 0x20,
	FLAG_WBINVD = 0x1,
	FLAG_PROCESSORS_C1 = 0x4,
	FLAG_NO_FIXED_POWER_BUTTON = 0x10,
	FLAG_NO_FIXED_SLEEP_BUTTON = 0x20,
	FLAG_RESET = 0x400,
	FLAG_HARDWARE_REDUCED = 0x100000,
};

static void set_reduced(struct fadt *fadt)
{
	fadt->boot_flags = BOOT_NO_VGA | BOOT_NO_CLOCK;
	fadt->flags |= FLAG_HARDWARE_REDUCED | FLAG_NO_FIXED_POWER_BUTTON;
	fadt->sleep_control = port(LAYOUT_POWER + POWER_CONTROL);
	fadt->sleep_status = port(LAYOUT_POWER + POWER_STATUS);
	fadt->reset = port(LAYOUT_POWER + POWER_RESET);
	fadt->reset_value = POWER_RESET_VALUE;
}

/* ACPI is on from the beginning; event, control, timer and general events lie side by side. */
static void set_pc(struct fadt *fadt)
{
	enum {
		EVENT = 0,
		CONTROL = 4,
		TIMER = 8,
		GENERAL = 12,
		NO_C2 = 101,
		NO_C3 = 1001,
		CENTURY = 0x32,
		RESET_ALL = 0x06
	};
	fadt->boot_flags = BOOT_LEGACY | BOOT_8042;
	fadt->sci_line = LAYOUT_SCI_LINE;
	fadt->pm1a_event = LAYOUT_POWER + EVENT;
	fadt->pm1a_control = LAYOUT_POWER + CONTROL;
	fadt->pm_timer = LAYOUT_POWER + TIMER;
	fadt->pm1_event_length = 4;
	fadt->pm1_control_length = 2;
	fadt->pm_timer_length = 4;
	fadt->gpe0 = LAYOUT_POWER + GENERAL;
	fadt->gpe0_length = 4;
	fadt->c2_latency = NO_C2;
	fadt->c3_latency = NO_C3;
	fadt->century = CENTURY;
	fadt->reset = port(LAYOUT_RESET);
	fadt->reset_value = RESET_ALL;
}

static uint32_t put_facs(struct tables *tables)
{
	const struct facs facs = {.signature = "FACS", .length = sizeof(facs)};
	return tables->setting->base + (uint32_t)begin_table(tables, &facs, sizeof(facs));
}

static void put_fadt(struct tables *tables, uint32_t dsdt)
{
	bool is_pc = tables->setting->platform == VISO_PLATFORM_PC;
	struct fadt fadt = {
		.header = begin_header(tables, "FACP", 5),
		.minor_revision = 1,
		.facs = is_pc ? put_facs(tables) : 0,
		.dsdt = dsdt,
		.x_dsdt = dsdt,
		.flags = FLAG_WBINVD | FLAG_PROCESSORS_C1 | FLAG_NO_FIXED_SLEEP_BUTTON | FLAG_RESET,
	};
	if (is_pc)
		set_pc(&fadt);
	else
		set_reduced(&fadt);
	tables->found[tables->count++] = end_table(tables, begin_table(tables, &fadt, sizeof(fadt)));
}

static void put_madt(struct tables *tables)
{
	enum { LOCAL_APIC = 0, IO_APIC = 1, OVERRIDE = 2, NMI = 4, ALL = 0xff, LEVEL_HIGH = 0xd };
	struct aml *out = &tables->out;
	const struct madt madt = {
		.header = begin_header(tables, "APIC", 3), .local_apic = LAYOUT_LOCAL_APIC, .flags = 1};
	const struct madt_io_apic io_apic = {
		.type = IO_APIC, .length = sizeof(io_apic), .id = 0, .address = LAYOUT_IO_APIC};
	const struct madt_override sci = {.type = OVERRIDE,
					  .length = sizeof(sci),
					  .source = LAYOUT_SCI_LINE,
					  .line = LAYOUT_SCI_LINE,
					  .flags = LEVEL_HIGH};
	const struct madt_nmi nmi = {.type = NMI, .length = sizeof(nmi), .processor = ALL, .input = 1};
	size_t begin = begin_table(tables, &madt, sizeof(madt));
	for (unsigned i = 0; i < tables->setting->processors; i++) {
		const struct madt_local_apic local = {.type = LOCAL_APIC,
						      .length = sizeof(local),
						      .processor = (uint8_t)i,
						      .id = (uint8_t)i,
						      .flags = 1};
		aml_bytes(out, &local, sizeof(local));
	}
	aml_bytes(out, &io_apic, sizeof(io_apic));
	if (tables->setting->platform == VISO_PLATFORM_PC)
		aml_bytes(out, &sci, sizeof(sci));
	aml_bytes(out, &nmi, sizeof(nmi));
	tables->found[tables->count++] = end_table(tables, begin);
}

static uint32_t put_list(struct tables *tables, const char *signature, size_t width)
{
	const struct header header = begin_header(tables, signature, 1);
	size_t begin = begin_table(tables, &header, sizeof(header));
	for (int i = 0; i < tables->count; i++) {
		uint64_t address = tables->found[i];
		aml_bytes(&tables->out, &address, width);
	}
	return end_table(tables, begin);
}

static void make_rsdp(const struct tables *tables, uint32_t rsdt, uint32_t xsdt, uint8_t out[ACPI_RSDP_SIZE])
{
	struct rsdp rsdp = {.signature = "RSD PTR ", .revision = 2, .rsdt = rsdt, .length = sizeof(rsdp), .xsdt = xsdt};
	_Static_assert(sizeof(rsdp) == ACPI_RSDP_SIZE, "RSDP");
	memcpy(rsdp.oem, oem(tables), sizeof(rsdp.oem));
	rsdp.checksum = acpi_checksum(&rsdp, offsetof(struct rsdp, length));
	rsdp.checksum_all = acpi_checksum(&rsdp, sizeof(rsdp));
	memcpy(out, &rsdp, sizeof(rsdp));
}

bool acpi_build(const struct acpi_setting *setting, const struct ram *ram, uint8_t out_rsdp[ACPI_RSDP_SIZE])
{
	_cleanup_free_ uint8_t *data = calloc(1, setting->size);
	if (!data)
		return false;
	struct tables tables = {.setting = setting, .data = data, .out = {.data = data, .max = setting->size}};
	uint32_t dsdt = put_dsdt(&tables);
	put_fadt(&tables, dsdt);
	put_madt(&tables);
	uint32_t rsdt = put_list(&tables, "RSDT", sizeof(uint32_t)), xsdt = put_list(&tables, "XSDT", sizeof(uint64_t));
	make_rsdp(&tables, rsdt, xsdt, out_rsdp);
	return !tables.out.is_full && ram_write(ram, setting->base, data, tables.out.size);
}
