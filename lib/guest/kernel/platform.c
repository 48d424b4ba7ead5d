/* SPDX-License-Identifier: MIT */
#include "guest/kernel/platform.h"

#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "guest/device/serial.h"
#include "guest/kernel/acpi/acpi.h"
#include "guest/kernel/boot/load.h"
#include "guest/kernel/generation.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/processor.h"
#include "guest/kernel/snapshot/computer.h"

static void release_serial(void *device, bool is_forked)
{
	serial_release(device);
	free(device);
}

static int save_serial(void *device, struct state_writer *out)
{
	serial_save(device, out);
	return 0;
}

static int load_serial(void *device, struct state_reader *in)
{
	return serial_load(device, in);
}

static size_t room(void *data)
{
	return serial_room(data);
}

static size_t receive(void *data, const void *bytes, size_t size)
{
	return serial_receive(data, bytes, size);
}

int platform_add_serial(struct machine *machine)
{
	static const struct machine_device_ops ops = {
		.release = release_serial, .save = save_serial, .load = load_serial};
	struct serial *serial = malloc(sizeof(*serial));
	if (!serial)
		return error_memory();
	serial_init(serial, machine_interrupt(machine, LAYOUT_SERIAL_LINE), console_serial_line(&machine->console));
	int r = machine_add_device(machine, &ops, serial);
	if (r < 0)
		return r;
	machine->console.guest = (struct console_guest){.room = room, .receive = receive, .data = serial};
	machine_add_traffic(machine, VISO_DEVICE_SERIAL, &serial->traffic);
	return machine_add_ports(machine, LAYOUT_SERIAL, SERIAL_PORTS, &serial_ops, serial);
}

/* The RSDP first, since it is looked for there. */
static int put_tables(const struct machine *machine)
{
	enum { RSDP_SPACE = 64 };
	uint8_t rsdp[ACPI_RSDP_SIZE];
	const struct acpi_setting setting = {
		.platform = machine->platform,
		.processors = machine->processor_count,
		.virtio_count = machine->virtio_count,
		.base = LAYOUT_ACPI + RSDP_SPACE,
		.size = LAYOUT_ACPI_END - LAYOUT_ACPI - RSDP_SPACE,
	};
	if (!acpi_build(&setting, &machine->ram, rsdp) || !ram_write(&machine->ram, LAYOUT_ACPI, rsdp, sizeof(rsdp)) ||
	    !mp_build(&setting, &machine->ram))
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "ACPI",
				  "the tables of ACPI do not fit into the guest's memory");
	return 0;
}

static int load(struct machine *machine, const struct kernel_guest *kernel, const struct image *image,
		const struct image *initramfs, struct boot_entry *out)
{
	int r = put_tables(machine);
	if (r == 0 && machine->platform == VISO_PLATFORM_MICROVM)
		r = generation_set(machine);
	if (r < 0)
		return r;
	const char *line = kernel->tools.command_line ? kernel->tools.command_line : kernel->command_line;
	const struct boot_request request = {
		.ram = &machine->ram,
		.kernel = image,
		.initramfs = initramfs->fd >= 0 ? initramfs : NULL,
		.command_line = line ? line : "",
		.is_flat = kernel->is_flat,
		.flat_address = kernel->flat_address,
		.rsdp = LAYOUT_ACPI,
		.has_display = machine->platform == VISO_PLATFORM_PC,
	};
	return boot_load(&request, out);
}

static int load_kernel(struct machine *machine, const struct kernel_guest *kernel)
{
	struct boot_entry entry;
	struct image image, initramfs = {.fd = -1};
	int r = kernel->given ? image_take(&image, kernel->given, kernel->image) : image_open(&image, kernel->image);
	if (r == 0 && kernel->tools.initramfs >= 0)
		r = image_take(&initramfs, kernel->tools.initramfs, "the initramfs");
	else if (r == 0 && kernel->initramfs)
		r = image_open(&initramfs, kernel->initramfs);
	if (r == 0)
		r = load(machine, kernel, &image, &initramfs, &entry);
	image_close(&image);
	image_close(&initramfs);
	return r < 0 ? r : processor_set_entry(&machine->processors[0], &entry);
}

int platform_build(struct machine *machine, viso_guest *guest)
{
	const struct kernel_guest *kernel = guest->kernel;
	int r = machine->platform == VISO_PLATFORM_PC ? pc_add_devices(machine, guest)
						      : microvm_add_devices(machine, guest);
	if (r == 0 && kernel->origin)
		r = computer_restore(machine, computer_of(kernel->origin));
	else if (r == 0 && kernel->image)
		r = load_kernel(machine, kernel);
	return r;
}
