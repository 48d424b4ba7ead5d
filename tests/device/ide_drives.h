/* SPDX-License-Identifier: MIT */
/* For tests of IDE drives: two channels of a PC with a disk whose sectors say their numbers, and what a driver does. */
#ifndef TEST_DEVICE_IDE_DRIVES_H
#define TEST_DEVICE_IDE_DRIVES_H

#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/device/pc/chipset.h"
#include "guest/device/pc/ide.h"
#include "ports.h"

enum {
	SECTORS = 70000, /* more than one command of 48 bits can name */
	BASE = 0x1f0,
	CONTROL = 0x3f6,
	MASTER = 0xc000,
	READY = 0x50,
	REQUEST = 0x58,
	FAILED = 0x51,
	MEMORY = 1 << 20,
};

struct fixture {
	char *directory, path[256];
	struct disk *disk, *second;
	struct pci pci;
	struct chipset chipset;
	struct ide ide;
	struct line lines[2];
	struct ram ram;
	uint8_t *memory;
};

static inline void fill_sector(uint8_t sector[512], uint32_t number)
{
	memset(sector, (int)(number & 0xff), 512);
	memcpy(sector, &number, 4);
}

static inline void make_disk(const char *path)
{
	uint8_t sector[512];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, SECTORS * 512), 0);
	for (uint32_t i = 0; i < 300; i++) {
		fill_sector(sector, i);
		assert_int_equal(pwrite(fd, sector, 512, i * 512), 512);
	}
	fill_sector(sector, SECTORS - 1);
	assert_int_equal(pwrite(fd, sector, 512, (SECTORS - 1) * 512), 512);
	close(fd);
}

static inline int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	*state = fixture;
	ports = (struct bus){0};
	fixture->directory = support_temporary_directory();
	snprintf(fixture->path, sizeof(fixture->path), "%s/disk", fixture->directory);
	make_disk(fixture->path);
	fixture->memory = malloc(MEMORY);
	assert_non_null(fixture->memory);
	fixture->ram = (struct ram){.regions = {{.size = MEMORY, .host = fixture->memory}}, .count = 1};
	const struct interrupt lines[2] = {line_of(&fixture->lines[0]), line_of(&fixture->lines[1])};
	pci_init(&fixture->pci);
	chipset_init(&fixture->chipset, &fixture->pci, 0x600);
	ide_init(&fixture->ide, &fixture->pci, lines, &fixture->ram);
	assert_ok(disk_open(fixture->path, 0, &fixture->disk));
	ide_insert(&fixture->ide, 0, fixture->disk);
	assert_true(ide_plug(&fixture->ide, &ports));
	assert_true(bus_add(&ports, PCI_PORTS, PCI_PORT_COUNT, &pci_ops, &fixture->pci));
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;
	ide_release(&fixture->ide);
	pci_release(&fixture->pci);
	disk_close(fixture->disk);
	disk_close(fixture->second);
	support_remove_tree(fixture->directory);
	free(fixture->directory);
	free(fixture->memory);
	free(fixture);
	return 0;
}

static inline void command(uint8_t number, uint32_t sector, unsigned count)
{
	out8(BASE + 6, (uint8_t)(0xe0 | (sector >> 24 & 15)));
	out8(BASE + 2, (uint8_t)count);
	out8(BASE + 3, (uint8_t)sector);
	out8(BASE + 4, (uint8_t)(sector >> 8));
	out8(BASE + 5, (uint8_t)(sector >> 16));
	out8(BASE + 7, number);
}

/* Both halves of each register. */
static inline void command_ext(uint8_t number, uint64_t sector, unsigned count)
{
	out8(BASE + 2, (uint8_t)(count >> 8));
	out8(BASE + 3, (uint8_t)(sector >> 24));
	out8(BASE + 4, (uint8_t)(sector >> 32));
	out8(BASE + 5, (uint8_t)(sector >> 40));
	command(number, (uint32_t)(sector & 0xffffff), count & 0xff);
}

static inline void read_sector(uint8_t sector[512])
{
	for (int i = 0; i < 512; i += 2)
		bus_put(sector + i, 2, in(BASE, 2));
}

static inline void write_sector(const uint8_t sector[512])
{
	for (int i = 0; i < 512; i += 2)
		out(BASE, 2, (uint32_t)bus_get(sector + i, 2));
}

static inline void expect_sector(uint32_t number)
{
	uint8_t sector[512], expected[512];
	read_sector(sector);
	fill_sector(expected, number);
	assert_memory_equal(sector, expected, 512);
}

static inline void put_entry(struct fixture *fixture, unsigned number, uint32_t address, uint32_t size)
{
	bus_put(fixture->memory + 0x1000 + 8 * number, 4, address);
	bus_put(fixture->memory + 0x1000 + 8 * number + 4, 4, size);
}

static inline void run_master(bool is_read)
{
	out8(MASTER + 2, 0x06);
	out8(MASTER, is_read ? 0x09 : 0x01);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
