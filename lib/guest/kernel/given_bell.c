/* SPDX-License-Identifier: MIT */
#include "guest/kernel/given_bell.h"

#include <errno.h>
#include <sys/mman.h>

#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>

#include "core/error.h"
#include "guest/device/doorbell.h"
#include "guest/kernel/layout.h"

static void release(void *pages, bool is_forked)
{
	munmap(pages, DOORBELL_SIZE);
}

static void read_port(void *device, uint64_t offset, void *data, unsigned size)
{
	bus_put(data, size, VISO_DOORBELL_VERSION);
}

/* KVM has seen it. */
static void write_port(void *device, uint64_t offset, const void *data, unsigned size)
{
}

int given_bell_add(struct machine *machine, int pages)
{
	/* What it is the host program knows. */
	static const struct machine_device_ops ops = {.is_stateless = true, .release = release};
	static const struct bus_ops port = {.read = read_port, .write = write_port};
	void *memory = mmap(NULL, DOORBELL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pages, 0);
	if (memory == MAP_FAILED)
		return error_fail(VISO_STAGE_GUEST, errno, "mmap", NULL);
	int r = machine_add_device(machine, &ops, memory);
	if (r == 0)
		r = machine_add_memory(machine, LAYOUT_DOORBELL, memory, DOORBELL_SIZE, false);
	if (r == 0)
		r = machine_add_ports(machine, LAYOUT_DOORBELL_PORT, DOORBELL_PORTS, &port, memory);
	return r == 0 ? machine_add_port_eventfd(machine, LAYOUT_DOORBELL_PORT, pages + 1) : r;
}
