/* SPDX-License-Identifier: MIT */
#include "driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support.h"

static void count_interrupt(void *data, unsigned line, bool level)
{
	struct driver *driver = data;
	atomic_store(&driver->is_high, level);
	if (level)
		atomic_fetch_add(&driver->interrupts, 1);
}

static uint8_t *map(size_t size)
{
	uint8_t *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

void driver_open(struct driver *driver)
{
	memset(driver, 0, sizeof(*driver));
	driver->low = map(LOW_SIZE);
	driver->high = map(HIGH_SIZE);
	driver->ram =
		(struct ram){.count = 2, .regions = {{0, LOW_SIZE, driver->low}, {HIGH_BASE, HIGH_SIZE, driver->high}}};
	driver->next_free = 0x1000;
	loop_init(&driver->loop);
}

struct interrupt driver_interrupt(struct driver *driver)
{
	return (struct interrupt){.set = count_interrupt, .data = driver, .line = 5};
}

void driver_take(struct driver *driver, struct virtio *device)
{
	driver->device = device;
	assert_true(bus_add(&driver->bus, DRIVER_BASE, MMIO_SIZE, &virtio_mmio_ops, device));
	assert_int_equal(virtio_start(device), 0);
}

void driver_close(struct driver *driver)
{
	loop_stop(&driver->loop);
	virtio_stop(driver->device);
	virtio_release(driver->device);
	loop_release(&driver->loop);
	munmap(driver->low, LOW_SIZE);
	munmap(driver->high, HIGH_SIZE);
}

uint32_t driver_get(struct driver *driver, unsigned offset)
{
	uint32_t value;
	bus_read(&driver->bus, DRIVER_BASE + offset, &value, sizeof(value));
	return value;
}

void driver_set(struct driver *driver, unsigned offset, uint32_t value)
{
	bus_write(&driver->bus, DRIVER_BASE + offset, &value, sizeof(value));
}

uint64_t driver_features(struct driver *driver)
{
	driver_set(driver, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	uint64_t features = (uint64_t)driver_get(driver, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	driver_set(driver, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return features | driver_get(driver, VIRTIO_MMIO_DEVICE_FEATURES);
}

bool driver_negotiate(struct driver *driver, uint64_t features)
{
	uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	features |= BIT(VIRTIO_F_VERSION_1);
	driver_set(driver, VIRTIO_MMIO_STATUS, 0);
	driver_set(driver, VIRTIO_MMIO_STATUS, status);
	for (uint32_t word = 0; word < 2; word++) {
		driver_set(driver, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		driver_set(driver, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> (32 * word)));
	}
	driver_set(driver, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_FEATURES_OK);
	return driver_get(driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK;
}

static void set_address(struct driver *driver, unsigned offset, uint64_t address)
{
	driver_set(driver, offset, (uint32_t)address);
	driver_set(driver, offset + 4, (uint32_t)(address >> 32));
}

void driver_add_queue(struct driver *driver, unsigned index, uint16_t size)
{
	struct driver_queue *queue = &driver->queues[index];
	*queue = (struct driver_queue){.size = size};
	queue->table = driver_room(driver, 16U * size);
	queue->available = driver_room(driver, 6U + 2U * size);
	queue->used = driver_room(driver, 6U + 8U * size);
	memset(driver_at(driver, queue->table), 0, 16U * size);
	memset(driver_at(driver, queue->available), 0, 6U + 2U * size);
	memset(driver_at(driver, queue->used), 0, 6U + 8U * size);
	driver_set(driver, VIRTIO_MMIO_QUEUE_SEL, index);
	driver_set(driver, VIRTIO_MMIO_QUEUE_NUM, size);
	set_address(driver, VIRTIO_MMIO_QUEUE_DESC_LOW, queue->table);
	set_address(driver, VIRTIO_MMIO_QUEUE_AVAIL_LOW, queue->available);
	set_address(driver, VIRTIO_MMIO_QUEUE_USED_LOW, queue->used);
	driver_set(driver, VIRTIO_MMIO_QUEUE_READY, 1);
}

void driver_go(struct driver *driver)
{
	driver_set(driver, VIRTIO_MMIO_STATUS, driver_get(driver, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
}

void driver_begin(struct driver *driver, uint64_t features, unsigned count)
{
	assert_true(driver_negotiate(driver, features));
	for (unsigned i = 0; i < count; i++) {
		driver_add_queue(driver, i, 16);
		assert_int_equal(driver_get(driver, VIRTIO_MMIO_QUEUE_READY), 1);
	}
	driver_go(driver);
	assert_true(driver_get(driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK);
}

uint64_t driver_room(struct driver *driver, uint64_t size)
{
	uint64_t address = driver->next_free;
	driver->next_free = (address + size + 63) & ~UINT64_C(63);
	assert_true(driver->next_free <= LOW_SIZE);
	return address;
}

void *driver_at(struct driver *driver, uint64_t address)
{
	void *host = ram_at(&driver->ram, address, 1);
	assert_non_null(host);
	return host;
}

uint64_t driver_put(struct driver *driver, const void *data, uint64_t size)
{
	uint64_t address = driver_room(driver, size);
	memcpy(driver_at(driver, address), data, size);
	return address;
}

void driver_descriptor(struct driver *driver, unsigned queue, uint16_t index, uint64_t address, uint32_t length,
		       uint16_t flags, uint16_t next)
{
	struct vring_desc *table = driver_at(driver, driver->queues[queue].table);
	table[index] = (struct vring_desc){.addr = address, .len = length, .flags = flags, .next = next};
}

void driver_make_available(struct driver *driver, unsigned queue, uint16_t head)
{
	struct vring_avail *ring = driver_at(driver, driver->queues[queue].available);
	ring->ring[ring->idx % driver->queues[queue].size] = head;
	__atomic_store_n(&ring->idx, (uint16_t)(ring->idx + 1), __ATOMIC_SEQ_CST);
}

uint16_t driver_add(struct driver *driver, unsigned queue, const struct part *parts, unsigned count)
{
	struct driver_queue *ours = &driver->queues[queue];
	uint16_t head = ours->next_descriptor;
	for (unsigned i = 0; i < count; i++) {
		uint16_t index = ours->next_descriptor;
		ours->next_descriptor = (uint16_t)((index + 1) % ours->size);
		uint16_t flags = parts[i].is_writable ? VRING_DESC_F_WRITE : 0;
		flags |= i + 1 < count ? VRING_DESC_F_NEXT : 0;
		driver_descriptor(driver, queue, index, parts[i].address, parts[i].length, flags,
				  ours->next_descriptor);
	}
	driver_make_available(driver, queue, head);
	return head;
}

void driver_kick(struct driver *driver, unsigned queue)
{
	driver_set(driver, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

bool driver_is_used(struct driver *driver, unsigned queue)
{
	struct vring_used *ring = driver_at(driver, driver->queues[queue].used);
	return __atomic_load_n(&ring->idx, __ATOMIC_SEQ_CST) != driver->queues[queue].next_used;
}

void driver_run_loop(struct driver *driver)
{
	while (!driver->loop.is_running && loop_run_once(&driver->loop, 0))
		;
}

bool driver_wait(struct driver *driver, unsigned queue, uint16_t *out_head, uint32_t *out_length)
{
	struct driver_queue *ours = &driver->queues[queue];
	struct vring_used *ring = driver_at(driver, ours->used);
	for (int i = 0; i < 30000 && !driver_is_used(driver, queue); i++) {
		driver_run_loop(driver);
		usleep(i < 10 ? 20 : 1000);
	}
	if (!driver_is_used(driver, queue))
		return false;
	const struct vring_used_elem *element = &ring->ring[ours->next_used++ % ours->size];
	*out_head = (uint16_t)element->id;
	*out_length = element->len;
	return true;
}

uint32_t driver_do(struct driver *driver, unsigned queue, const struct part *parts, unsigned count)
{
	uint16_t head = driver_add(driver, queue, parts, count), used;
	uint32_t length;
	driver_kick(driver, queue);
	assert_true(driver_wait(driver, queue, &used, &length));
	assert_int_equal(used, head);
	return length;
}
