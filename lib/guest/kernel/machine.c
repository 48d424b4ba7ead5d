/* SPDX-License-Identifier: MIT */
/* Making a computer. */
#include "guest/kernel/machine.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/kvm.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/memory.h"
#include "guest/kernel/processor.h"

/* Before the processors: KVM wants it so (Documentation/virt/kvm/api.rst). */
static int create_controllers(const struct machine *machine)
{
	const uint64_t identity_map = LAYOUT_IDENTITY_MAP;
	if (ioctl(machine->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0 &&
	    ioctl(machine->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return vm_fail("KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(machine->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_TSS_ADDR) > 0 &&
	    ioctl(machine->vm_fd, KVM_SET_TSS_ADDR, LAYOUT_TSS) < 0)
		return vm_fail("KVM_SET_TSS_ADDR");
	if (ioctl(machine->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return vm_fail("KVM_CREATE_IRQCHIP");
	/* Not for others: it has a thread in the kernel, which is in no control group of ours. */
	const struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	if (machine->platform == VISO_PLATFORM_PC && ioctl(machine->vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return vm_fail("KVM_CREATE_PIT2");
	return 0;
}

int machine_add_memory(struct machine *machine, uint64_t base, void *host, uint64_t size, bool is_read_only)
{
	const struct kvm_userspace_memory_region slot = {
		.slot = machine->slot_count,
		.flags = is_read_only ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = base,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	if (ioctl(machine->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return vm_fail("KVM_SET_USER_MEMORY_REGION");
	machine->slot_count++;
	return 0;
}

static int give_memory(struct machine *machine, uint64_t size)
{
	machine->memory = memory_map(size);
	if (!machine->memory)
		return error_fail(VISO_STAGE_MEMORY, errno, "memory",
				  "the host cannot give a guest %llu bytes of memory: %s", (unsigned long long)size,
				  strerrordesc_np(errno));
	machine->memory_size = size;
	memory_lay_out(&machine->ram, size, machine->memory);
	for (int i = 0; i < machine->ram.count; i++) {
		const struct ram_region *region = &machine->ram.regions[i];
		int r = machine_add_memory(machine, region->base, region->host, region->size, false);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_processors(struct machine *machine, int kvm, unsigned count)
{
	machine->processors = calloc(count, sizeof(machine->processors[0]));
	if (!machine->processors)
		return error_memory();
	for (; machine->processor_count < count; machine->processor_count++) {
		struct machine_cpu *processor = &machine->processors[machine->processor_count];
		processor_clear(processor, machine, machine->processor_count);
	}
	int r = 0;
	for (unsigned i = 0; i < count && r == 0; i++)
		r = processor_init(&machine->processors[i], kvm);
	return r;
}

static int make(struct machine *machine, uint64_t memory, unsigned processors)
{
	machine->wake_fd = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (machine->wake_fd < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "eventfd", NULL);
	console_init(&machine->console, machine->wake_fd);
	_cleanup_close_ int kvm = vm_open_kvm();
	if (kvm < 0)
		return kvm;
	machine->vm_fd = kvm_create_vm(kvm);
	if (machine->vm_fd < 0)
		return vm_fail("KVM_CREATE_VM");
	int r = create_controllers(machine);
	if (r == 0)
		r = give_memory(machine, memory);
	return r < 0 ? r : make_processors(machine, kvm, processors);
}

int machine_new(viso_platform platform, uint64_t memory, unsigned processors, struct machine **out_machine)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	if (!machine)
		return error_memory();
	atomic_init(&machine->references, 1);
	machine->platform = platform;
	machine->vm_fd = machine->wake_fd = -1;
	machine->reason = VISO_REASON_EXITED;
	pthread_mutex_init(&machine->turns, NULL);
	pthread_mutex_init(&machine->lock, NULL);
	pthread_cond_init(&machine->changed, NULL);
	int r = make(machine, memory, processors);
	if (r < 0) {
		machine_free(machine);
		return r;
	}
	*out_machine = machine;
	return 0;
}

static void release_devices(struct machine *machine, bool is_forked)
{
	while (machine->device_count > 0) {
		const struct machine_device *device = &machine->devices[--machine->device_count];
		if (device->ops->release)
			device->ops->release(device->device, is_forked);
	}
}

void machine_take_apart(struct machine *machine)
{
	for (unsigned i = 0; i < machine->processor_count; i++)
		vm_release(&machine->processors[i].vm);
	machine->vm_fd = close_fd(machine->vm_fd);
	memory_unmap(machine->memory, machine->memory_size);
	machine->memory = NULL;
	machine->ram.count = 0;
}

struct machine *machine_free(struct machine *machine)
{
	if (!machine)
		return NULL;
	release_devices(machine, false);
	machine_take_apart(machine);
	if (machine->wake_fd >= 0)
		console_release(&machine->console);
	machine->wake_fd = close_fd(machine->wake_fd);
	machine->origin = viso_snapshot_unref(machine->origin);
	machine_unref(machine);
	return NULL;
}

void machine_unref(struct machine *machine)
{
	if (atomic_fetch_sub(&machine->references, 1) != 1)
		return;
	for (unsigned i = 0; i < machine->processor_count; i++)
		kick_release(&machine->processors[i].kick);
	free(machine->processors);
	pthread_cond_destroy(&machine->changed);
	pthread_mutex_destroy(&machine->lock);
	pthread_mutex_destroy(&machine->turns);
	free(machine);
}

void machine_forget(struct machine *machine)
{
	release_devices(machine, true);
	console_forget(&machine->console);
	viso_snapshot_unref(machine->origin);
	free(machine->processors);
	free(machine);
}

int machine_add_device(struct machine *machine, const struct machine_device_ops *ops, void *device)
{
	if (machine->device_count == MACHINE_DEVICES_MAX) {
		if (ops->release)
			ops->release(device, false);
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "devices", "a computer has at most %d devices",
				  MACHINE_DEVICES_MAX);
	}
	machine->devices[machine->device_count++] = (struct machine_device){.ops = ops, .device = device};
	return 0;
}

void machine_add_traffic(struct machine *machine, viso_device device, const struct traffic *traffic)
{
	/* There are no more than devices. */
	machine->traffic[machine->traffic_count++] = (struct machine_traffic){.device = device, .traffic = traffic};
}

static int add_range(struct bus *bus, uint64_t base, uint64_t size, const struct bus_ops *ops, void *device)
{
	return bus_add(bus, base, size, ops, device)
		       ? 0
		       : error_fail(VISO_STAGE_GUEST, ENOSPC, "devices",
				    "there is no place at 0x%llx for one more device", (unsigned long long)base);
}

int machine_add_ports(struct machine *machine, uint64_t base, uint64_t size, const struct bus_ops *ops, void *device)
{
	return add_range(&machine->ports, base, size, ops, device);
}

int machine_add_bus(struct machine *machine, uint64_t base, uint64_t size, const struct bus_ops *ops, void *device)
{
	return add_range(&machine->bus, base, size, ops, device);
}

static void set_line(void *data, unsigned line, bool level)
{
	const struct machine *machine = data;
	const struct kvm_irq_level setting = {.irq = line, .level = level};
	/* It cannot fail for a line that there is, and nobody could do anything about it. */
	(void)ioctl(machine->vm_fd, KVM_IRQ_LINE, &setting);
}

struct interrupt machine_interrupt(struct machine *machine, unsigned line)
{
	return (struct interrupt){.set = set_line, .data = machine, .line = line};
}

int machine_take_virtio(struct machine *machine, struct machine_place *out_place)
{
	unsigned n = machine->virtio_count;
	if (n == LAYOUT_VIRTIO_COUNT)
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "devices", "a computer has at most %d virtio devices",
				  LAYOUT_VIRTIO_COUNT);
	machine->virtio_count++;
	out_place->base = LAYOUT_VIRTIO + (uint64_t)n * LAYOUT_VIRTIO_SIZE;
	out_place->interrupt = machine_interrupt(machine, LAYOUT_VIRTIO_LINE + n);
	return 0;
}

int machine_add_ioeventfd(struct machine *machine, uint64_t address, unsigned size, uint64_t value, int fd)
{
	const struct kvm_ioeventfd setting = {
		.datamatch = value,
		.addr = address,
		.len = size,
		.fd = fd,
		.flags = size ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0,
	};
	return ioctl(machine->vm_fd, KVM_IOEVENTFD, &setting) < 0 ? vm_fail("KVM_IOEVENTFD") : 0;
}

int machine_add_port_eventfd(struct machine *machine, uint16_t port, int fd)
{
	const struct kvm_ioeventfd setting = {.addr = port, .fd = fd, .flags = KVM_IOEVENTFD_FLAG_PIO};
	return ioctl(machine->vm_fd, KVM_IOEVENTFD, &setting) < 0 ? vm_fail("KVM_IOEVENTFD") : 0;
}

int machine_add_irqfd(struct machine *machine, unsigned line, int fd)
{
	const struct kvm_irqfd setting = {.fd = (uint32_t)fd, .gsi = line};
	return ioctl(machine->vm_fd, KVM_IRQFD, &setting) < 0 ? vm_fail("KVM_IRQFD") : 0;
}
