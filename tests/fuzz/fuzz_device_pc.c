/* SPDX-License-Identifier: MIT */
/*
 * The devices of a PC, by a hostile guest: accesses to ports and to memory, as time goes on and the host types; and by
 * whoever changes what they are frozen to.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/device/pc/acpi_pm.h"
#include "guest/device/pc/chipset.h"
#include "guest/device/pc/fw_cfg.h"
#include "guest/device/pc/i8042.h"
#include "guest/device/pc/ide.h"
#include "guest/device/pc/rtc.h"
#include "guest/device/pc/vga.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY = 128 << 10, DISK = 256 << 10, TIMES_MAX = 24, DISKS = 4, FREEZE = 0xf0 };

static int64_t now;

/* All that a run has; the memory of the guest begins behind its first page, so that there is a hole before it. */
static struct pc_devices {
	struct bus ports;
	struct pci pci;
	struct chipset chipset;
	struct ide ide;
	struct acpi_pm pm;
	struct rtc rtc;
	struct i8042 i8042;
	struct vga vga;
	struct fw_cfg fw_cfg;
	struct ram ram;
	struct disk *disks[DISKS];
	uint8_t *memory, *video;
} pc;

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_device_pc: %s\n", what);
	abort();
}

static int64_t get_now(void)
{
	return now;
}

static void seal(void *data)
{
	fw_cfg_silence(&pc.fw_cfg);
}

static void nothing(void *data)
{
}

static int disk_file(void)
{
	static int fd = -1;
	if (fd < 0) {
		fd = memfd_create("disk", MFD_CLOEXEC);
		expect(fd >= 0 && ftruncate(fd, DISK) == 0, "no disk");
	}
	return fd;
}

static void open_disks(void)
{
	static const enum disk_flags flags[DISKS] = {DISK_DISCARD_WRITES, DISK_READ_ONLY, DISK_DISCARD_WRITES,
						     DISK_READ_ONLY};
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", disk_file());
	for (unsigned i = 0; i < DISKS; i++) {
		expect(disk_open(path, flags[i], &pc.disks[i]) == 0, "a disk that cannot be opened");
		if (i < DISKS - 1)
			ide_insert(&pc.ide, i, pc.disks[i]);
	}
	/* Beside a disk. */
	ide_insert_cd(&pc.ide, DISKS - 1, pc.disks[DISKS - 1]);
}

static void add(uint64_t base, uint64_t size, const struct bus_ops *ops, void *device)
{
	expect(bus_add(&pc.ports, base, size, ops, device), "no room at the ports");
}

static void add_ports(void)
{
	add(PCI_PORTS, PCI_PORT_COUNT, &pci_ops, &pc.pci);
	add(0x600, ACPI_PM_SIZE, &acpi_pm_ops, &pc.pm);
	add(RTC_PORTS, RTC_PORT_COUNT, &rtc_ops, &pc.rtc);
	add(I8042_DATA, 1, &i8042_data_ops, &pc.i8042);
	add(I8042_COMMAND, 1, &i8042_command_ops, &pc.i8042);
	add(I8042_FAST_A20, 1, &i8042_fast_ops, &pc.i8042);
	add(VGA_PORTS, VGA_PORT_COUNT, &vga_ops, &pc.vga);
	add(FW_CFG_PORTS, FW_CFG_PORT_COUNT, &fw_cfg_ops, &pc.fw_cfg);
	add(FW_CFG_DEBUG_PORT, 1, &fw_cfg_debug_ops, &pc.fw_cfg);
	expect(ide_plug(&pc.ide, &pc.ports), "no room for the disks");
}

static void make(void)
{
	const struct interrupt line = {0}, lines[2] = {{0}, {0}};
	memset(&pc, 0, sizeof(pc));
	now = INT64_C(1795717927000000000);
	pc.memory = calloc(1, MEMORY);
	pc.video = calloc(1, VGA_MEMORY_SIZE);
	pc.ram = (struct ram){.regions = {{.base = 4096, .size = MEMORY, .host = pc.memory}}, .count = 1};
	pci_init(&pc.pci);
	chipset_init(&pc.chipset, &pc.pci, 0x600);
	ide_init(&pc.ide, &pc.pci, lines, &pc.ram);
	acpi_pm_init(&pc.pm, &line, get_now);
	rtc_init(&pc.rtc, &line, get_now);
	i8042_init(&pc.i8042, &line, &line, get_now);
	vga_init(&pc.vga, pc.video);
	fw_cfg_init(&pc.fw_cfg);
	pc.chipset.sealed = seal;
	pc.pci.reset = pc.i8042.reset = pc.pm.power_off = nothing;
	const struct rtc_equipment equipment = {.low_memory = MEMORY, .processors = 1, .disks = 3};
	rtc_describe(&pc.rtc, &equipment);
	expect(fw_cfg_add_file(&pc.fw_cfg, "etc/some", "some", 4) == 0 && fw_cfg_add_directory(&pc.fw_cfg) == 0,
	       "no fw_cfg");
	open_disks();
	add_ports();
}

static void release(void)
{
	pci_release(&pc.pci);
	ide_release(&pc.ide);
	acpi_pm_release(&pc.pm);
	rtc_release(&pc.rtc);
	i8042_release(&pc.i8042);
	vga_release(&pc.vga);
	fw_cfg_release(&pc.fw_cfg);
	for (int i = 0; i < DISKS; i++)
		disk_close(pc.disks[i]);
	free(pc.memory);
	free(pc.video);
}

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *input, unsigned size)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < size && input->at < input->end; i++)
		value |= (uint64_t)*input->at++ << (8 * i);
	return value;
}

/* Ports that something is at come by a short number; any other by itself. */
static uint16_t take_port(struct input *input)
{
	static const uint16_t known[] = {
		0x1f0,  0x1f1,  0x1f2, 0x1f3, 0x1f4, 0x1f5, 0x1f6, 0x1f7, 0x3f6, 0x170, 0x172,  0x173,
		0x174,  0x175,  0x176, 0x177, 0x376, 0x70,  0x71,  0x60,  0x64,  0xcf8, 0xcfc,  0xcf9,
		0x600,  0x602,  0x604, 0x608, 0x3c0, 0x3c4, 0x3ce, 0x3d4, 0x3d5, 0x3da, 0xc000, 0xc002,
		0xc004, 0xc008, 0x510, 0x511, 0x402, 0x92,  0x3c8, 0x3c9, 0xcfd, 0xcfe,
	};
	uint8_t number = (uint8_t)take(input, 1);
	return number < sizeof(known) / sizeof(known[0]) ? known[number] : (uint16_t)take(input, 2);
}

static void look_at_screen(void)
{
	static char text[VGA_TEXT_MAX];
	int length = vga_text(&pc.vga, text);
	expect(length < 0 || (length < VGA_TEXT_MAX && memchr(text, 0, VGA_TEXT_MAX) == text + length), "no text");
}

static void pass_time(struct input *input)
{
	now += (int64_t)(take(input, 2) << 16);
	rtc_advance(&pc.rtc);
	i8042_advance(&pc.i8042);
	acpi_pm_advance(&pc.pm);
	expect(rtc_wait(&pc.rtc) > 0, "a time for the clock that has passed");
	i8042_next(&pc.i8042);
	expect(acpi_pm_next(&pc.pm) > now, "a time for power management that has passed");
}

static void write_memory(struct input *input)
{
	uint64_t address = take(input, 3) % MEMORY, value = take(input, 8);
	ram_write(&pc.ram, address, &value, sizeof(value));
}

static void access_port(struct input *input, bool is_write)
{
	uint16_t port = take_port(input);
	uint8_t how = (uint8_t)take(input, 1);
	unsigned size = 1u << (how & 3), times = (how >> 2) % TIMES_MAX;
	uint64_t value = is_write ? take(input, size) : 0;
	for (unsigned i = 0; i <= times * times; i++) {
		if (is_write)
			bus_write(&pc.ports, port, &value, size);
		else
			bus_read(&pc.ports, port, &value, size);
	}
}

static void save(struct state_writer *state)
{
	vga_save(&pc.vga, state);
	pci_save(&pc.pci, state);
	acpi_pm_save(&pc.pm, state);
	rtc_save(&pc.rtc, state);
	i8042_save(&pc.i8042, state);
	fw_cfg_save(&pc.fw_cfg, state);
	for (int i = 0; i < 2; i++)
		ata_save(&pc.ide.channels[i], state);
	expect(!state->has_failed, "no memory for the state");
}

/* Each of them by itself: what one refuses does not keep the others from theirs. */
static void load(struct state_reader *in, bool is_whole)
{
	int r = vga_load(&pc.vga, in);
	r |= pci_load(&pc.pci, in);
	r |= acpi_pm_load(&pc.pm, in);
	r |= rtc_load(&pc.rtc, in);
	r |= i8042_load(&pc.i8042, in);
	r |= fw_cfg_load(&pc.fw_cfg, in);
	for (int i = 0; i < 2; i++)
		r |= ata_load(&pc.ide.channels[i], in);
	expect(!is_whole || r == 0, "a state that is refused by those whose it is");
}

static void freeze(struct input *input)
{
	struct state_writer state = {0};
	uint64_t changes = take(input, 1) % 4;
	save(&state);
	for (uint64_t i = 0; i < changes; i++) {
		size_t at = take(input, 2) % state.size;
		state.data[at] ^= (uint8_t)take(input, 1);
	}
	struct state_reader in = {.data = state.data, .left = state.size};
	load(&in, changes == 0);
	state_release(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {.at = data, .end = data + size};
	make();
	while (input.at < input.end) {
		uint8_t what = (uint8_t)take(&input, 1);
		switch (what >= FREEZE ? FREEZE : what % 6) {
		case 0:
		case 1:
			access_port(&input, true);
			break;
		case 2:
			access_port(&input, false);
			break;
		case 3:
			write_memory(&input);
			break;
		case 4:
			pass_time(&input);
			break;
		case FREEZE:
			freeze(&input);
			break;
		default:
			look_at_screen();
			i8042_type(&pc.i8042, "Text\n", 5);
			acpi_pm_press_power_button(&pc.pm);
			break;
		}
	}
	release();
	return 0;
}
