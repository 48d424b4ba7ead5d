/* SPDX-License-Identifier: MIT */
/* The devices. */
#include <stdio.h>

#include "guest/device/doorbell.h"
#include "guest/kernel/acpi/acpi.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/power.h"

enum { BUTTON_PRESSED = 0x80, GENERATION_CHANGED = 0x80, RANGE_MEMORY = 0, RANGE_PORTS = 1, RANGE_BUS = 2 };

static void describe_serial(struct aml *aml)
{
	size_t device = aml_device(aml, "COM1");
	aml_name_id(aml, "_HID", "PNP0501");
	aml_name_integer(aml, "_UID", 1);
	size_t resources = aml_resources(aml, "_CRS");
	aml_ports(aml, LAYOUT_SERIAL, 8);
	aml_line(aml, LAYOUT_SERIAL_LINE, true);
	aml_resources_end(aml, resources);
	aml_end(aml, device);
}

/* A generic event device: its interrupt tells another device's driver something. */
static void describe_events(struct aml *aml, const char *name, unsigned number, uint32_t line, const char *object,
			    unsigned value)
{
	size_t events = aml_device(aml, name);
	aml_name_string(aml, "_HID", "ACPI0013");
	aml_name_integer(aml, "_UID", number);
	size_t resources = aml_resources(aml, "_CRS");
	aml_line(aml, line, true);
	aml_resources_end(aml, resources);
	size_t method = aml_method(aml, "_EVT", 1);
	aml_notify(aml, object, value);
	aml_end(aml, method);
	aml_end(aml, events);
}

/* The reduced hardware has no fixed button: an interrupt says that it was pressed. */
static void describe_button(struct aml *aml)
{
	size_t button = aml_device(aml, "PWRB");
	aml_name_id(aml, "_HID", "PNP0C0C");
	aml_name_integer(aml, "_UID", 0);
	aml_end(aml, button);

	describe_events(aml, "GED0", 0, LAYOUT_EVENT_LINE, "PWRB", BUTTON_PRESSED);
}

/* Microsoft's "Virtual Machine Generation ID", whose name in _CID is longer than ACPI has it, and a shorter one that
 * their own hypervisor has beside. */
static void describe_generation(struct aml *aml)
{
	size_t device = aml_device(aml, "VGEN");
	aml_name_string(aml, "_HID", "VISO0002");
	aml_name_integer(aml, "_UID", 0);
	aml_begin_name(aml, "_CID");
	size_t names = aml_package(aml, 2);
	aml_string(aml, "VMGENCTR");
	aml_string(aml, "VM_Gen_Counter");
	aml_end(aml, names);
	aml_name_string(aml, "_DDN", "VM_Gen_Counter");
	aml_begin_name(aml, "ADDR");
	size_t address = aml_package(aml, 2);
	aml_integer(aml, LAYOUT_GENERATION);
	aml_integer(aml, 0);
	aml_end(aml, address);
	aml_end(aml, device);
	describe_events(aml, "GED1", 1, LAYOUT_GENERATION_LINE, "VGEN", GENERATION_CHANGED);
}

/* Documentation/admin-guide/acpi and drivers/virtio/virtio_mmio.c of Linux: the id, one range and one interrupt. */
static void describe_virtio(struct aml *aml, unsigned n)
{
	char name[8];
	snprintf(name, sizeof(name), "VR%02X", n & 0xff);
	size_t device = aml_device(aml, name);
	aml_name_string(aml, "_HID", "LNRO0005");
	aml_name_integer(aml, "_UID", n);
	aml_name_integer(aml, "_CCA", 1);
	size_t resources = aml_resources(aml, "_CRS");
	aml_memory(aml, (uint32_t)LAYOUT_VIRTIO + n * LAYOUT_VIRTIO_SIZE, LAYOUT_VIRTIO_SIZE);
	aml_line(aml, LAYOUT_VIRTIO_LINE + n, false);
	aml_resources_end(aml, resources);
	aml_end(aml, device);
}

/* virtiso/doorbell.h: its port, its pages and its interrupt. */
static void describe_doorbell(struct aml *aml)
{
	size_t device = aml_device(aml, "BELL");
	aml_name_string(aml, "_HID", "VISO0001");
	aml_name_integer(aml, "_UID", 0);
	size_t resources = aml_resources(aml, "_CRS");
	aml_ports(aml, LAYOUT_DOORBELL_PORT, DOORBELL_PORTS);
	aml_memory(aml, (uint32_t)LAYOUT_DOORBELL, DOORBELL_SIZE);
	aml_line(aml, LAYOUT_DOORBELL_LINE, true);
	aml_resources_end(aml, resources);
	aml_end(aml, device);
}

static void describe_legacy(struct aml *aml, const char *name, const char *id, uint16_t port, uint8_t count, int line)
{
	size_t device = aml_device(aml, name);
	aml_name_id(aml, "_HID", id);
	size_t resources = aml_resources(aml, "_CRS");
	aml_ports(aml, port, count);
	if (id[6] == '3') { /* the keyboard controller has a second port */
		aml_ports(aml, port + 4, count);
	}
	if (line >= 0)
		aml_line(aml, (uint32_t)line, true);
	aml_resources_end(aml, resources);
	aml_end(aml, device);
}

/* It has no ports of its own, but those of the keyboard. */
static void describe_mouse(struct aml *aml)
{
	enum { LINE = 12 };
	size_t mouse = aml_device(aml, "MOU0");
	aml_name_id(aml, "_HID", "PNP0F13");
	size_t resources = aml_resources(aml, "_CRS");
	aml_line(aml, LINE, true);
	aml_resources_end(aml, resources);
	aml_end(aml, mouse);
}

/* A host bridge of PCI, and behind it what every PC has had since 1984. */
static void describe_pc(struct aml *aml)
{
	enum { CONFIG_PORT = 0xcf8 };
	size_t bridge = aml_device(aml, "PCI0");
	aml_name_id(aml, "_HID", "PNP0A03");
	aml_name_integer(aml, "_UID", 0);
	size_t resources = aml_resources(aml, "_CRS");
	aml_range_16(aml, RANGE_BUS, 0, 0xff);
	aml_ports(aml, CONFIG_PORT, 8);
	aml_range_16(aml, RANGE_PORTS, 0, CONFIG_PORT - 1);
	aml_range_16(aml, RANGE_PORTS, CONFIG_PORT + 8, 0xffff);
	aml_range_32(aml, RANGE_MEMORY, LAYOUT_LOW_END, LAYOUT_HIGH_BEGIN - 1);
	aml_range_32(aml, RANGE_MEMORY, LAYOUT_HOLE_BEGIN, LAYOUT_IO_APIC - 1);
	aml_resources_end(aml, resources);
	describe_serial(aml);
	describe_legacy(aml, "RTC0", "PNP0B00", 0x70, 2, 8);
	describe_legacy(aml, "KBD0", "PNP0303", 0x60, 1, 1);
	describe_mouse(aml);
	describe_legacy(aml, "TMR0", "PNP0100", 0x40, 4, 0);
	aml_end(aml, bridge);
}

/* What is written to switch it off: the reduced hardware's own number, and that of the PIIX4. */
static void describe_off(struct aml *aml, unsigned type)
{
	aml_begin_name(aml, "\\_S5_");
	size_t package = aml_package(aml, 4);
	aml_integer(aml, type);
	aml_integer(aml, type);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_end(aml, package);
}

void dsdt_describe(struct aml *aml, const struct acpi_setting *setting)
{
	bool is_pc = setting->platform == VISO_PLATFORM_PC;
	size_t scope = aml_scope(aml, "\\_SB_");
	if (is_pc) {
		describe_pc(aml);
	} else {
		describe_button(aml);
		describe_generation(aml);
		describe_serial(aml);
		describe_doorbell(aml);
		for (unsigned i = 0; i < setting->virtio_count; i++)
			describe_virtio(aml, i);
	}
	aml_end(aml, scope);
	describe_off(aml, is_pc ? ACPI_PC_OFF : POWER_OFF_TYPE);
}
