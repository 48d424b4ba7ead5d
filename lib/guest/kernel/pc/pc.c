/* SPDX-License-Identifier: MIT */
/* VISO_PLATFORM_PC: a PC as an operating system finds it that knows nothing of virtualisation. */
#include "guest/kernel/pc/pc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/error.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/platform.h"
#include "guest/kernel/serial_port.h"

static int64_t monotonic(void)
{
	return clock_now(CLOCK_MONOTONIC);
}

static int64_t real(void)
{
	return clock_now(CLOCK_REALTIME);
}

static int start(void *device)
{
	struct pc *pc = device;
	int r = pc_clock_start(pc);
	for (int i = 0; i < 2 && r == 0; i++) {
		r = ata_start(&pc->ide.channels[i]);
		if (r < 0)
			return error_fail(VISO_STAGE_GUEST, -r, "pthread_create", NULL);
	}
	return r;
}

static void pause_devices(void *device)
{
	struct pc *pc = device;
	pc_clock_pause(pc, true);
	for (int i = 0; i < 2; i++)
		ata_settle(&pc->ide.channels[i]);
}

static void resume_devices(void *device)
{
	pc_clock_pause(device, false);
}

static void stop(void *device)
{
	struct pc *pc = device;
	pc_clock_stop(pc);
	for (int i = 0; i < 2; i++)
		ata_stop(&pc->ide.channels[i]);
}

static void release(void *device, bool is_forked)
{
	struct pc *pc = device;
	pci_release(&pc->pci);
	acpi_pm_release(&pc->pm);
	rtc_release(&pc->rtc);
	i8042_release(&pc->i8042);
	vga_release(&pc->vga);
	fw_cfg_release(&pc->fw_cfg);
	for (unsigned i = 0; i < pc->disk_count; i++)
		disk_close(pc->disks[i]);
	/* Threads that the child does not have wait on their conditions. */
	if (!is_forked) {
		ide_release(&pc->ide);
		pc_clock_release(&pc->clock);
	}
	if (pc->video)
		munmap(pc->video, VGA_MEMORY_SIZE);
	if (pc->firmware)
		munmap(pc->firmware, pc->firmware_size);
	free(pc);
}

static const struct machine_device_ops ops = {
	.start = start,
	.pause = pause_devices,
	.resume = resume_devices,
	.stop = stop,
	.save = pc_save,
	.load = pc_load,
	.release = release,
};

static void reset(void *data)
{
	machine_reset(data);
}

static void power_off(void *data)
{
	machine_power_off(data);
}

static void press_power_button(struct machine *machine)
{
	acpi_pm_press_power_button(&machine->pc->pm);
}

static void init_devices(struct pc *pc)
{
	struct machine *machine = pc->machine;
	const struct interrupt sci = machine_interrupt(machine, LAYOUT_SCI_LINE),
			       rtc = machine_interrupt(machine, RTC_LINE),
			       keyboard = machine_interrupt(machine, I8042_KEYBOARD_LINE),
			       mouse = machine_interrupt(machine, I8042_MOUSE_LINE),
			       ide[2] = {machine_interrupt(machine, 14), machine_interrupt(machine, 15)};
	pci_init(&pc->pci);
	chipset_init(&pc->chipset, &pc->pci, LAYOUT_POWER);
	ide_init(&pc->ide, &pc->pci, ide, &machine->ram);
	acpi_pm_init(&pc->pm, &sci, monotonic);
	rtc_init(&pc->rtc, &rtc, real);
	i8042_init(&pc->i8042, &keyboard, &mouse, monotonic);
	vga_init(&pc->vga, NULL);
	fw_cfg_init(&pc->fw_cfg);
	pc->pci.reset = pc->i8042.reset = reset;
	pc->pci.reset_data = pc->i8042.reset_data = machine;
	pc->pm.power_off = power_off;
	pc->pm.data = machine;
	pc->rtc.wake = pc->i8042.wake = pc->pm.wake = (struct pc_wake){.wake = pc_clock_wake, .data = pc};
}

static int add_ports(struct pc *pc)
{
	const struct {
		uint64_t base, size;
		const struct bus_ops *ops;
		void *device;
	} ranges[] = {
		{PCI_PORTS, PCI_PORT_COUNT, &pci_ops, &pc->pci},    {LAYOUT_POWER, ACPI_PM_SIZE, &acpi_pm_ops, &pc->pm},
		{RTC_PORTS, RTC_PORT_COUNT, &rtc_ops, &pc->rtc},    {I8042_DATA, 1, &i8042_data_ops, &pc->i8042},
		{I8042_COMMAND, 1, &i8042_command_ops, &pc->i8042}, {I8042_FAST_A20, 1, &i8042_fast_ops, &pc->i8042},
		{VGA_PORTS, VGA_PORT_COUNT, &vga_ops, &pc->vga},
	};
	int r = 0;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && r == 0; i++)
		r = machine_add_ports(pc->machine, ranges[i].base, ranges[i].size, ranges[i].ops, ranges[i].device);
	if (r == 0 && !ide_plug(&pc->ide, &pc->machine->ports))
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "devices", "there is no place for the disks of a PC");
	return r;
}

/* The display's memory is memory: text that is written there costs no exits. */
static int add_video(struct pc *pc)
{
	void *video = mmap(NULL, VGA_MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (video == MAP_FAILED)
		return error_memory();
	pc->video = video;
	pc->vga.memory = video;
	return machine_add_memory(pc->machine, VGA_MEMORY, video, VGA_MEMORY_SIZE, false);
}

_Static_assert((int)VISO_DISK_READ_ONLY == (int)DISK_READ_ONLY &&
		       (int)VISO_DISK_DISCARD_WRITES == (int)DISK_DISCARD_WRITES,
	       "flags of disks are the public ones");

/* What is in a CD-ROM nobody writes to. */
static int open_disk(struct pc *pc, const struct disk_setting *setting)
{
	bool is_cd = setting->flags & VISO_DISK_CDROM;
	struct disk *disk;
	unsigned flags = is_cd ? DISK_READ_ONLY : setting->flags;
	int r = setting->fd < 0 ? disk_open(setting->path, flags, &disk)
				: disk_open_again(setting->fd, setting->path, flags, &disk);
	if (r < 0)
		return r;
	pc->disks[pc->disk_count] = pc->machine->disks[pc->disk_count] = disk;
	machine_add_traffic(pc->machine, VISO_DEVICE_DISK, disk_traffic(disk));
	if (!is_cd)
		ide_insert(&pc->ide, pc->disk_count, disk);
	else if (disk_size(disk) >= ATA_CD_SECTOR)
		ide_insert_cd(&pc->ide, pc->disk_count, disk);
	else
		r = error_fail(VISO_STAGE_GUEST, EINVAL, setting->path,
			       "%s cannot be a CD: it has not even one sector of %d bytes", setting->path,
			       ATA_CD_SECTOR);
	pc->disk_count++;
	return r;
}

static int open_disks(struct pc *pc, const struct device_settings *devices)
{
	if (devices->disk_count > IDE_DISKS_MAX)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, devices->disks[IDE_DISKS_MAX].path,
				  "a PC has at most %d disks and CDs", IDE_DISKS_MAX);
	int r = 0;
	for (unsigned i = 0; i < devices->disk_count && r == 0; i++)
		r = open_disk(pc, &devices->disks[i]);
	return r;
}

/* Those that the firmware knows by the memory of the clock: both of the first channel, if they are no CDs. */
static unsigned count_first_disks(const struct pc *pc)
{
	const struct ata_drive *drives = pc->ide.channels[0].drives;
	unsigned count = 0;
	while (count < 2 && drives[count].disk && !drives[count].is_cd)
		count++;
	return count;
}

static void describe(struct pc *pc)
{
	const struct ram *ram = &pc->machine->ram;
	struct rtc_equipment equipment = {.processors = pc->machine->processor_count, .disks = count_first_disks(pc)};
	for (int i = 0; i < ram->count; i++) {
		const struct ram_region *region = &ram->regions[i];
		if (region->base >= LAYOUT_HOLE_END)
			equipment.high_memory = region->size;
		else
			equipment.low_memory = region->base + region->size - PC_TABLES;
	}
	rtc_describe(&pc->rtc, &equipment);
}

/* They are of virtio, which a PC does not have. */
static int check_devices(const struct device_settings *devices)
{
	const char *function = devices->port_count      ? "viso_guest_add_port"
			       : devices->network_count ? "viso_guest_add_network"
			       : devices->share_count   ? "viso_guest_share_directory"
			       : devices->vsock_path    ? "viso_guest_set_vsock"
			       : devices->console       ? "viso_guest_set_console"
							: NULL;
	if (!function)
		return 0;
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
			  "a PC has no ports, networks, shared directories, sockets and console of virtio; "
			  "choose VISO_PLATFORM_MICROVM for them");
}

int pc_add_devices(struct machine *machine, viso_guest *guest)
{
	const struct device_settings *devices = &guest->kernel->devices;
	int r = check_devices(devices);
	if (r < 0)
		return r;
	struct pc *pc = calloc(1, sizeof(*pc));
	if (!pc)
		return error_memory();
	pc->machine = machine;
	r = pc_clock_init(&pc->clock);
	if (r < 0) {
		free(pc);
		return r;
	}
	init_devices(pc);
	r = machine_add_device(machine, &ops, pc);
	if (r < 0)
		return r;
	machine->pc = pc;
	machine->press_power_button = press_power_button;
	r = platform_add_serial(machine);
	if (r == 0 && guest->kernel->tools.port >= 0)
		r = serial_port_add(machine, guest->kernel->tools.port);
	if (r == 0)
		r = add_ports(pc);
	if (r == 0)
		r = add_video(pc);
	if (r == 0)
		r = open_disks(pc, devices);
	if (r < 0)
		return r;
	describe(pc);
	return guest->kernel->image ? 0 : pc_add_firmware(pc, guest->kernel->firmware);
}
