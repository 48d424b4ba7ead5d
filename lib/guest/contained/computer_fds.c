/* SPDX-License-Identifier: MIT */
#include "guest/contained/computer_fds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command/command.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/memfd.h"
#include "guest/agent/agent_ops.h"
#include "guest/contained/computer_message.h"
#include "guest/contained/message.h"
#include "guest/device/disk.h"
#include "guest/guest.h"
#include "guest/kernel/boot/image.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/snapshot/computer.h"
#include "guest/vm/vm.h"

/* The next number is that of the next fd. */
struct adding {
	viso_command *server;
	int next;
};

static int add(struct adding *adding, int fd)
{
	return viso_command_add_fd(adding->server, fd, adding->next++);
}

static int add_image(struct adding *adding, const char *path)
{
	struct image image;
	int r = image_open(&image, path);
	if (r == 0)
		r = add(adding, image.fd);
	image_close(&image);
	return r;
}

/* The lock of the file is that of its open file description, which goes over. */
static int add_disk(struct adding *adding, const struct disk_setting *setting)
{
	struct disk *disk;
	unsigned flags = setting->flags & VISO_DISK_READ_ONLY ? DISK_READ_ONLY : 0;
	flags |= setting->flags & VISO_DISK_DISCARD_WRITES ? DISK_DISCARD_WRITES : 0;
	int r = disk_open(setting->path, flags, &disk);
	if (r < 0)
		return r;
	r = add(adding, disk_fd(disk));
	disk_close(disk);
	return r;
}

static int add_sealed(viso_command *server, int number, const char *name, const void *data, size_t size)
{
	_cleanup_close_ int fd = memfd_with(name, 0, data, size);
	int r = fd < 0 ? fd : memfd_seal(fd);
	return r < 0 ? error_fail(VISO_STAGE_GUEST, -r, "memfd_create", NULL) : viso_command_add_fd(server, fd, number);
}

/* The memory's file was sealed when it was made. */
static int add_origin(struct adding *adding, const struct computer_snapshot *computer)
{
	struct state_writer packed = {0};
	int r = add(adding, computer->ram.fd);
	if (r == 0)
		r = computer_pack(computer, &packed);
	if (r == 0)
		r = add_sealed(adding->server, adding->next++, "viso-snapshot", packed.data, packed.size);
	state_release(&packed);
	return r;
}

static int add_kernel(struct adding *adding, const struct kernel_guest *kernel)
{
	int r = add_image(adding, kernel->image);
	if (r == 0 && kernel->tools.initramfs >= 0)
		return add(adding, kernel->tools.initramfs);
	return r == 0 && kernel->initramfs ? add_image(adding, kernel->initramfs) : r;
}

static int add_boot_files(struct adding *adding, const struct kernel_guest *kernel)
{
	int r = kernel->origin ? add_origin(adding, computer_of(kernel->origin)) : add_kernel(adding, kernel);
	if (r == 0 && kernel->tools.port >= 0)
		r = add(adding, kernel->tools.port);
	if (r == 0 && kernel->tools.port >= 0 && kernel->tools.closed >= 0)
		r = add(adding, kernel->tools.closed);
	if (r == 0 && kernel->tools.disk >= 0)
		r = add(adding, kernel->tools.disk);
	return r;
}

static int add_devices(struct adding *adding, const struct device_settings *devices)
{
	int r = 0;
	for (unsigned i = 0; i < devices->disk_count && r == 0; i++)
		r = add_disk(adding, &devices->disks[i]);
	for (unsigned i = 0; i < devices->port_count && r == 0; i++)
		if (devices->ports[i].fd >= 0)
			r = add(adding, devices->ports[i].fd);
	for (unsigned i = 0; i < devices->network_count && r == 0; i++)
		if (devices->networks[i].fd >= 0)
			r = add(adding, devices->networks[i].fd);
	return r;
}

static void describe_devices(const struct device_settings *devices, struct computer_settings *out)
{
	out->disk_count = devices->disk_count;
	out->port_count = devices->port_count;
	out->network_count = devices->network_count;
	out->console = devices->console;
	for (unsigned i = 0; i < devices->disk_count; i++) {
		out->disk_flags[i] = devices->disks[i].flags;
		memcpy(out->disk_rates[i], devices->disks[i].rates, sizeof(out->disk_rates[i]));
	}
	for (unsigned i = 0; i < devices->port_count; i++) {
		out->has_port |= (devices->ports[i].fd >= 0 ? 1u : 0) << i;
		snprintf(out->ports[i], sizeof(out->ports[i]), "%s", devices->ports[i].name);
	}
	for (unsigned i = 0; i < devices->network_count; i++) {
		out->has_network |= (devices->networks[i].fd >= 0 ? 1u : 0) << i;
		memcpy(out->macs[i], devices->networks[i].mac, DEVICE_MAC_SIZE);
		memcpy(out->network_rates[i], devices->networks[i].rates, sizeof(out->network_rates[i]));
	}
}

static int describe(const viso_guest *guest, const viso_command *streams, struct computer_settings *out)
{
	const struct kernel_guest *kernel = guest->kernel;
	const char *line = kernel->tools.command_line ? kernel->tools.command_line : kernel->command_line;
	const char *name = strrchr(kernel->image, '/');
	*out = (struct computer_settings){
		.magic = CONTAINED_COMPUTER_MAGIC,
		.processors = kernel->processors,
		.memory_max = guest_memory_max(guest),
		.flat_address = kernel->flat_address,
		.timeout_ms = streams ? streams->timeout_ms : 0,
		.cpu_time_ms = streams ? streams->cpu_time_ms : 0,
		.is_flat = kernel->is_flat,
		.has_initramfs = !kernel->origin && (kernel->tools.initramfs >= 0 || kernel->initramfs),
		.has_origin = kernel->origin != NULL,
		.has_agent = kernel->tools.port >= 0,
		.has_closed = kernel->tools.port >= 0 && kernel->tools.closed >= 0,
		.has_root_disk = kernel->tools.disk >= 0,
		.has_input = streams && streams->stdio[0].kind != STDIO_NULL,
		.has_output = !streams || streams->stdio[1].kind != STDIO_NULL,
	};
	if (line && strlen(line) >= sizeof(out->command_line))
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "command line",
				  "the command line has more than 4095 bytes");
	snprintf(out->command_line, sizeof(out->command_line), "%s", line ? line : "");
	snprintf(out->image, sizeof(out->image), "%s", name ? name + 1 : kernel->image);
	snprintf(out->agent_port, sizeof(out->agent_port), "%s", kernel->tools.ops->port);
	describe_devices(&kernel->devices, out);
	return 0;
}

static int add_settings(const viso_guest *guest, const viso_command *streams, viso_command *server)
{
	struct computer_settings settings;
	int r = describe(guest, streams, &settings);
	if (r < 0)
		return r;
	return add_sealed(server, CONTAINED_SETTINGS, "viso-computer", &settings, sizeof(settings));
}

int computer_fds_add(viso_guest *guest, const viso_command *streams, viso_command *server)
{
	struct adding adding = {.server = server, .next = COMPUTER_ADDED};
	_cleanup_close_ int kvm = vm_open_kvm();
	if (kvm < 0)
		return kvm;
	int r = viso_command_add_fd(server, kvm, CONTAINED_KVM);
	if (r == 0)
		r = add_settings(guest, streams, server);
	if (r == 0)
		r = add_boot_files(&adding, guest->kernel);
	return r == 0 ? add_devices(&adding, &guest->kernel->devices) : r;
}
