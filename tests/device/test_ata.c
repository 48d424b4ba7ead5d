/* SPDX-License-Identifier: MIT */
/* ATA disks and CD-ROMs, driven as a BIOS and an operating system do. */
#include "support.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

static void fill_sector(uint8_t sector[512], uint32_t number)
{
	memset(sector, (int)(number & 0xff), 512);
	memcpy(sector, &number, 4);
}

static void make_disk(const char *path)
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

static int set_up(void **state)
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

static int tear_down(void **state)
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

static void command(uint8_t number, uint32_t sector, unsigned count)
{
	out8(BASE + 6, (uint8_t)(0xe0 | (sector >> 24 & 15)));
	out8(BASE + 2, (uint8_t)count);
	out8(BASE + 3, (uint8_t)sector);
	out8(BASE + 4, (uint8_t)(sector >> 8));
	out8(BASE + 5, (uint8_t)(sector >> 16));
	out8(BASE + 7, number);
}

/* Both halves of each register. */
static void command_ext(uint8_t number, uint64_t sector, unsigned count)
{
	out8(BASE + 2, (uint8_t)(count >> 8));
	out8(BASE + 3, (uint8_t)(sector >> 24));
	out8(BASE + 4, (uint8_t)(sector >> 32));
	out8(BASE + 5, (uint8_t)(sector >> 40));
	command(number, (uint32_t)(sector & 0xffffff), count & 0xff);
}

static void read_sector(uint8_t sector[512])
{
	for (int i = 0; i < 512; i += 2)
		bus_put(sector + i, 2, in(BASE, 2));
}

static void write_sector(const uint8_t sector[512])
{
	for (int i = 0; i < 512; i += 2)
		out(BASE, 2, (uint32_t)bus_get(sector + i, 2));
}

static void expect_sector(uint32_t number)
{
	uint8_t sector[512], expected[512];
	read_sector(sector);
	fill_sector(expected, number);
	assert_memory_equal(sector, expected, 512);
}

static void test_identify(void **state)
{
	uint16_t words[256];
	command(0xec, 0, 0);
	assert_int_equal(in8(BASE + 7), REQUEST);
	for (int i = 0; i < 256; i++)
		words[i] = (uint16_t)in(BASE, 2);
	assert_int_equal(in8(BASE + 7), READY);
	assert_int_equal(words[60] | (uint32_t)words[61] << 16, SECTORS);
	assert_int_equal(words[100] | (uint32_t)words[101] << 16, SECTORS);
	assert_int_equal(words[49] & 0x0300, 0x0300);
	assert_int_equal(words[83] & 0xc400, 0x4400);
	assert_int_equal(words[27], 'F' << 8 | 'I');
	assert_int_equal(words[1], SECTORS / (16 * 63));
}

static void test_reading(void **state)
{
	struct fixture *fixture = *state;
	command(0x20, 5, 3);
	for (uint32_t i = 5; i < 8; i++) {
		assert_true(fixture->lines[0].level);
		assert_int_equal(in8(BASE + 7), REQUEST);
		assert_false(fixture->lines[0].level);
		expect_sector(i);
	}
	assert_int_equal(fixture->lines[0].edges, 3);
	assert_int_equal(in8(BASE + 7), READY);
	command(0x20, 0, 0); /* 256 */
	for (uint32_t i = 0; i < 256; i++)
		expect_sector(i);
	assert_int_equal(in8(BASE + 7), READY);
	assert_int_equal(in(BASE, 2), 0);
}

static void test_cylinders(void **state)
{
	out8(BASE + 6, 0xa1); /* head 1 */
	out8(BASE + 2, 1);
	out8(BASE + 3, 2); /* sectors count from 1 */
	out8(BASE + 4, 0);
	out8(BASE + 5, 0);
	out8(BASE + 7, 0x20);
	expect_sector(64);
	out8(BASE + 3, 0);
	out8(BASE + 7, 0x20);
	assert_int_equal(in8(BASE + 7), FAILED);
	assert_int_equal(in8(BASE + 1), 0x10);
}

static void test_writing(void **state)
{
	struct fixture *fixture = *state;
	uint8_t sector[512], written[512];
	command(0x30, 10, 2);
	assert_int_equal(fixture->lines[0].edges, 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(in8(CONTROL), REQUEST);
		fill_sector(sector, 1000 + i);
		write_sector(sector);
		assert_true(fixture->lines[0].level);
		in8(BASE + 7);
	}
	assert_int_equal(in8(BASE + 7), READY);
	assert_int_equal(disk_read(fixture->disk, 11 * 512, written, 512), 0);
	assert_memory_equal(sector, written, 512);
	command(0xe7, 0, 0);
	assert_int_equal(in8(BASE + 7), READY);
}

static void test_multiple_and_long_addresses(void **state)
{
	struct fixture *fixture = *state;
	command(0xc4, 0, 4);
	assert_int_equal(in8(BASE + 7), FAILED); /* not set yet */
	command(0xc6, 0, 32);
	assert_int_equal(in8(BASE + 7), FAILED);
	command(0xc6, 0, 16);
	assert_int_equal(in8(BASE + 7), READY);
	fixture->lines[0].edges = 0;
	command_ext(0x29, 0, 40);
	for (uint32_t i = 0; i < 40; i++)
		expect_sector(i);
	assert_int_equal(fixture->lines[0].edges, 1); /* nobody read the status in between: it is still up */
	assert_int_equal(in8(BASE + 7), READY);
	command_ext(0x24, SECTORS - 1, 1);
	expect_sector(SECTORS - 1);
	/* The halves can be read back. */
	command_ext(0x42, 0x12345, 0x102);
	out8(CONTROL, 0x80);
	assert_int_equal(in8(BASE + 2), 1);
	out8(CONTROL, 0);
	assert_int_equal(in8(BASE + 2), 2);
}

static void test_out_of_the_disk(void **state)
{
	command(0x20, SECTORS - 1, 2);
	assert_int_equal(in8(BASE + 7), FAILED);
	assert_int_equal(in8(BASE + 1), 0x10);
	command(0x30, SECTORS, 1);
	assert_int_equal(in8(BASE + 7), FAILED);
	command_ext(0x24, 0xffffffffffff, 0);
	assert_int_equal(in8(BASE + 7), FAILED);
	command_ext(0x24, SECTORS - 65535, 0);
	assert_int_equal(in8(BASE + 7), FAILED);
	command(0xb0, 0, 1); /* SMART: there is none */
	assert_int_equal(in8(BASE + 7), FAILED);
	assert_int_equal(in8(BASE + 1), 0x04);
	command(0xa1, 0, 0); /* it is no CD */
	assert_int_equal(in8(BASE + 7), FAILED);
}

static void test_reset_amid(void **state)
{
	command(0x20, 5, 3);
	in(BASE, 4);
	out8(CONTROL, 0x06);
	assert_int_equal(in8(BASE + 7), 0x80);
	command(0x20, 5, 3);
	out8(CONTROL, 0x00);
	assert_int_equal(in8(BASE + 7), READY);
	assert_int_equal(in8(BASE + 2), 1);
	assert_int_equal(in8(BASE + 3), 1);
	assert_int_equal(in8(BASE + 4), 0);
	assert_int_equal(in(BASE, 2), 0);
}

static void test_interrupts_held_back(void **state)
{
	struct fixture *fixture = *state;
	out8(CONTROL, 0x02);
	command(0xe7, 0, 0);
	assert_int_equal(fixture->lines[0].edges, 0);
	out8(CONTROL, 0x00);
	assert_true(fixture->lines[0].level);
	in8(CONTROL);
	assert_true(fixture->lines[0].level);
	in8(BASE + 7);
	assert_false(fixture->lines[0].level);
}

static void test_what_is_missing(void **state)
{
	out8(BASE + 6, 0xb0);
	assert_int_equal(in8(BASE + 7), 0);
	out8(BASE + 2, 0x55);
	assert_int_equal(in8(BASE + 2), 0);
	out8(BASE + 7, 0xec);
	assert_int_equal(in8(BASE + 7), 0);
	assert_int_equal(in8(0x177), 0x7f); /* no drive on the second channel */
	out8(0x172, 0x55);
	assert_int_equal(in8(0x172), 0xff);
}

static void test_read_only(void **state)
{
	struct fixture *fixture = *state;
	char path[300];
	snprintf(path, sizeof(path), "%s/other", fixture->directory);
	make_disk(path);
	assert_ok(disk_open(path, DISK_READ_ONLY, &fixture->second));
	ide_insert(&fixture->ide, 1, fixture->second);
	out8(BASE + 6, 0xf0);
	out8(BASE + 2, 1);
	out8(BASE + 3, 7);
	out8(BASE + 4, 0);
	out8(BASE + 5, 0);
	out8(BASE + 7, 0x20);
	expect_sector(7);
	out8(BASE + 7, 0x30);
	assert_int_equal(in8(BASE + 7), FAILED);
	assert_int_equal(in8(BASE + 1), 0x04);
}

static void put_entry(struct fixture *fixture, unsigned number, uint32_t address, uint32_t size)
{
	bus_put(fixture->memory + 0x1000 + 8 * number, 4, address);
	bus_put(fixture->memory + 0x1000 + 8 * number + 4, 4, size);
}

static void run_master(bool is_read)
{
	out8(MASTER + 2, 0x06);
	out8(MASTER, is_read ? 0x09 : 0x01);
}

static void test_bus_master(void **state)
{
	struct fixture *fixture = *state;
	uint8_t sector[512], expected[512];
	out(MASTER + 4, 4, 0x1000);
	put_entry(fixture, 0, 0x2000, 300);
	put_entry(fixture, 1, 0x8000, (1024 - 300) | 0x80000000);
	command(0xc8, 20, 2);
	assert_int_equal(in8(CONTROL), REQUEST);
	run_master(true);
	assert_int_equal(in8(MASTER + 2), 0x04);
	assert_true(fixture->lines[0].level);
	assert_int_equal(in8(BASE + 7), READY);
	out8(MASTER, 0);
	fill_sector(expected, 20);
	memcpy(sector, fixture->memory + 0x2000, 300);
	memcpy(sector + 300, fixture->memory + 0x8000, 212);
	assert_memory_equal(sector, expected, 512);
	fill_sector(expected, 21);
	assert_memory_equal(fixture->memory + 0x8000 + 212, expected, 512);

	/* To the disk; the table has more room than is used. */
	put_entry(fixture, 0, 0x2000, 0x80000000);
	memset(fixture->memory + 0x2000, 0x77, 1024);
	command_ext(0x35, 30, 2);
	run_master(false);
	assert_int_equal(in8(MASTER + 2), 0x05);
	assert_int_equal(disk_read(fixture->disk, 31 * 512, sector, 512), 0);
	assert_memory_equal(sector, fixture->memory + 0x2000, 512);
}

static void test_bus_master_beyond_the_memory(void **state)
{
	struct fixture *fixture = *state;
	out(MASTER + 4, 4, 0x1000);
	put_entry(fixture, 0, MEMORY - 256, 512 | 0x80000000);
	command(0xc8, 20, 1);
	run_master(true);
	assert_int_equal(in8(MASTER + 2), 0x06);
	assert_int_equal(in8(BASE + 7), FAILED);
	out8(MASTER, 0);
	/* A table that is too short, and one that is nowhere. */
	put_entry(fixture, 0, 0x2000, 256 | 0x80000000);
	command(0xc8, 20, 1);
	run_master(true);
	assert_int_equal(in8(MASTER + 2), 0x06);
	out8(MASTER, 0);
	out(MASTER + 4, 4, 0xfffffffc);
	command(0xca, 20, 1);
	run_master(false);
	assert_int_equal(in8(MASTER + 2), 0x06);
}

static void test_bus_master_moves(void **state)
{
	out(0xcf8, 4, 0x80000920);
	out(0xcfc, 4, 0xffffffff);
	assert_int_equal(in(0xcfc, 4), 0xfffffff1);
	out(0xcfc, 4, 0xd000);
	assert_int_equal(in8(MASTER + 2), 0xff);
	assert_int_equal(in8(0xd002), 0);
	assert_int_equal(in(0xd00c, 4), 0);
	assert_int_equal(in(0xd006, 4), 0xffffffff); /* across the channels */
	out(0xcf8, 4, 0x80000904);
	out(0xcfc, 2, 0);
	assert_int_equal(in8(0xd002), 0xff);
}

enum { CD_SECTORS = SECTORS / 4, IN_PART = 2, AT_END = 3 };

/* The CD has the disk's contents, and is the second drive: its sector N is the disk's from 4 * N on. */
static void insert_cd(struct fixture *fixture)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/cd", fixture->directory);
	make_disk(path);
	assert_ok(disk_open(path, DISK_READ_ONLY, &fixture->second));
	ide_insert_cd(&fixture->ide, 1, fixture->second);
	out8(BASE + 6, 0xb0);
}

/* A packet of so many bytes, the rest zeroes; so much may come at once. */
static void send_packet(const uint8_t *bytes, size_t size, uint8_t features, unsigned limit)
{
	uint8_t packet[12] = {0};
	memcpy(packet, bytes, size);
	out8(BASE + 1, features);
	out8(BASE + 4, (uint8_t)limit);
	out8(BASE + 5, (uint8_t)(limit >> 8));
	out8(BASE + 7, 0xa0);
	assert_int_equal(in8(BASE + 7), REQUEST);
	assert_int_equal(in8(BASE + 2), 1);
	for (int i = 0; i < 12; i += 2)
		out(BASE, 2, (uint32_t)bus_get(packet + i, 2));
}

#define send(features, limit, ...)                                                                                     \
	do {                                                                                                           \
		const uint8_t bytes_[] = {__VA_ARGS__};                                                                \
		send_packet(bytes_, sizeof(bytes_), features, limit);                                                  \
	} while (0)

/* All that comes, in parts; the size. */
static unsigned receive(uint8_t *data, unsigned room)
{
	unsigned size = 0;
	while (in8(CONTROL) == REQUEST) {
		assert_int_equal(in8(BASE + 2), IN_PART);
		unsigned part = in8(BASE + 4) | (unsigned)in8(BASE + 5) << 8;
		assert_true(part > 0 && size + part <= room);
		for (unsigned i = 0; i < part; i += 2)
			bus_put(data + size + i, part - i == 1 ? 1 : 2, in(BASE, 2));
		size += part;
	}
	assert_int_equal(in8(BASE + 2), AT_END);
	return size;
}

static void expect_reply(const uint8_t *expected, unsigned size)
{
	uint8_t data[256];
	assert_int_equal(receive(data, sizeof(data)), size);
	assert_memory_equal(data, expected, size);
	assert_int_equal(in8(BASE + 7), READY);
}

#define expect_bytes(...)                                                                                              \
	do {                                                                                                           \
		const uint8_t bytes_[] = {__VA_ARGS__};                                                                \
		expect_reply(bytes_, sizeof(bytes_));                                                                  \
	} while (0)

/* The last packet failed; REQUEST SENSE says so once. */
static void expect_sense(uint8_t sense, uint8_t code, uint8_t qualifier)
{
	assert_int_equal(in8(BASE + 7), FAILED);
	assert_int_equal(in8(BASE + 1), sense << 4 | 4);
	assert_int_equal(in8(BASE + 2), AT_END);
	send(0, 0xfffe, 0x03, 0, 0, 0, 18);
	expect_bytes(0x70, 0, sense, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0);
	send(0, 0xfffe, 0x03, 0, 0, 0, 18);
	expect_bytes(0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

static void test_cd_is_found(void **state)
{
	struct fixture *fixture = *state;
	uint16_t words[256];
	insert_cd(fixture);
	/* After a reset, each drive says what it is. */
	out8(CONTROL, 0x04);
	out8(CONTROL, 0x00);
	assert_int_equal(in8(BASE + 4), 0);
	assert_int_equal(in8(BASE + 7), READY);
	out8(BASE + 6, 0xb0);
	assert_int_equal(in8(BASE + 2), 1);
	assert_int_equal(in8(BASE + 4), 0x14);
	assert_int_equal(in8(BASE + 5), 0xeb);
	assert_int_equal(in8(BASE + 7), 0);
	/* And so it does in place of the commands of a disk. */
	const uint8_t refused[] = {0xec, 0x20, 0x24, 0x30, 0xc8, 0xc6, 0x91};
	for (size_t i = 0; i < sizeof(refused); i++) {
		out8(BASE + 4, 0);
		out8(BASE + 7, refused[i]);
		assert_int_equal(in8(BASE + 7), FAILED);
		assert_int_equal(in8(BASE + 1), 4);
		assert_int_equal(in8(BASE + 4), i < 2 ? 0x14 : 0);
	}
	out8(BASE + 7, 0xa1);
	assert_int_equal(in8(BASE + 7), REQUEST);
	for (int i = 0; i < 256; i++)
		words[i] = (uint16_t)in(BASE, 2);
	assert_int_equal(in8(BASE + 7), READY);
	assert_int_equal(words[0] & 0xdf83, 0x8580); /* packets of 12 bytes, a CD-ROM, removable */
	assert_int_equal(words[27], 'C' << 8 | 'D');
	assert_int_equal(words[49] & 0x0300, 0x0300);
	/* It alone is reset. */
	out8(BASE + 7, 0x08);
	assert_int_equal(in8(BASE + 7), 0);
	assert_int_equal(in8(BASE + 5), 0xeb);
	assert_int_equal(in8(BASE + 6) & 0x10, 0x10);
}

static void test_cd_describes_itself(void **state)
{
	uint8_t data[256];
	insert_cd(*state);
	send(0, 0xfffe, 0x12, 0, 0, 0, 96);
	assert_int_equal(receive(data, sizeof(data)), 36);
	assert_int_equal(data[0], 5);
	assert_int_equal(data[1], 0x80);
	send(0, 0xfffe, 0x12, 0, 0, 0, 5);
	expect_reply(data, 5);
	send(0, 0xfffe, 0x12, 1, 0x80, 0, 96);
	expect_sense(5, 0x24, 0);
	send(0, 0xfffe, 0x25);
	expect_bytes(0, 0, (CD_SECTORS - 1) >> 8, (CD_SECTORS - 1) & 0xff, 0, 0, 8, 0);
	/* Contents: from sector 0 on there is a track, as long as the disc; as sectors, and as time. */
	send(0, 0xfffe, 0x43, 0, 0, 0, 0, 0, 0, 0, 100);
	expect_bytes(0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, CD_SECTORS >> 8,
		     CD_SECTORS & 0xff);
	send(0, 0xfffe, 0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100);
	expect_bytes(0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, (CD_SECTORS + 150) / 75 / 60, (CD_SECTORS + 150) / 75 % 60,
		     (CD_SECTORS + 150) % 75);
	send(0, 0xfffe, 0x43, 0, 1, 0, 0, 0, 0, 0, 100);
	expect_bytes(0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0);
	send(0, 0xfffe, 0x43, 0, 0, 0, 0, 0, 2, 0, 100);
	expect_sense(5, 0x24, 0);
	send(0, 0xfffe, 0x43, 0, 5, 0, 0, 0, 0, 0, 100);
	expect_sense(5, 0x24, 0);
	send(0, 0xfffe, 0x46, 2, 0, 3, 0, 0, 0, 0, 100);
	expect_bytes(0, 0, 0, 12, 0, 0, 0, 8, 0, 3, 3, 4, 0x29, 0, 0, 0);
	send(0, 0xfffe, 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 100);
	assert_int_equal(receive(data, sizeof(data)), 28);
	assert_int_equal(data[1], 26);
	assert_int_equal(data[8], 0x2a);
	send(0, 0xfffe, 0x1a, 0, 0x3f, 0, 100);
	assert_int_equal(receive(data, sizeof(data)), 32);
	assert_int_equal(data[0], 31);
	send(0, 0xfffe, 0x1a, 0, 0x0e, 0, 100);
	expect_sense(5, 0x24, 0);
	send(0, 0xfffe, 0x1a, 0, 0xea, 0, 100);
	expect_sense(5, 0x39, 0);
	send(0, 0xfffe, 0xb9);
	expect_sense(5, 0x20, 0);
	send(0, 0xfffe, 0x12, 0, 0, 0, 0);
	assert_int_equal(in8(BASE + 7), READY);
}

static void expect_cd_sectors(const uint8_t *data, uint32_t first, unsigned count)
{
	uint8_t expected[512];
	for (unsigned i = 0; i < 4 * count; i++) {
		fill_sector(expected, 4 * first + i);
		assert_memory_equal(data + 512 * i, expected, 512);
	}
}

/* However much comes at once. */
static void test_cd_is_read(void **state)
{
	struct fixture *fixture = *state;
	static const unsigned limits[] = {2048, 512, 0xfffe, 0, 0xffff, 3001, 6};
	static uint8_t data[70 * 2048];
	insert_cd(fixture);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		send(0, limits[i], 0x28, 0, 0, 0, 0, 3, 0, 0, 9);
		assert_int_equal(receive(data, sizeof(data)), 9 * 2048);
		expect_cd_sectors(data, 3, 9);
		assert_int_equal(in8(BASE + 7), READY);
	}
	fixture->lines[0].edges = 0;
	send(0, 2048, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 70);
	for (unsigned i = 0; i < 70; i++) {
		assert_true(fixture->lines[0].level);
		assert_int_equal(in8(BASE + 7), REQUEST);
		for (unsigned j = 0; j < 2048; j += 4)
			bus_put(data + i * 2048 + j, 4, in(BASE, 4));
	}
	assert_true(fixture->lines[0].level);
	assert_int_equal(fixture->lines[0].edges, 71); /* and one for the end */
	assert_int_equal(in8(BASE + 7), READY);
	expect_cd_sectors(data, 0, 70);
	send(0, 2048, 0x28, 0, 0, 0, 0, 3);
	assert_int_equal(in8(BASE + 7), READY);
	send(0, 2048, 0x2b, 0, 0, 0, 0, 3);
	assert_int_equal(in8(BASE + 7), READY);
}

static void test_cd_ends(void **state)
{
	uint8_t data[2048];
	insert_cd(*state);
	send(0, 2048, 0x28, 0, 0, 0, (CD_SECTORS - 1) >> 8, (CD_SECTORS - 1) & 0xff, 0, 0, 1);
	assert_int_equal(receive(data, sizeof(data)), 2048);
	send(0, 2048, 0x28, 0, 0, 0, (CD_SECTORS - 1) >> 8, (CD_SECTORS - 1) & 0xff, 0, 0, 2);
	expect_sense(5, 0x21, 0);
	send(0, 2048, 0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1);
	expect_sense(5, 0x21, 0);
	send(0, 2048, 0xa8, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff);
	expect_sense(5, 0x21, 0);
	send(0, 2048, 0x2b, 0, 0, 0, CD_SECTORS >> 8, CD_SECTORS & 0xff);
	expect_sense(5, 0x21, 0);
	/* Overlapped packets are none of its. */
	out8(BASE + 1, 2);
	out8(BASE + 7, 0xa0);
	assert_int_equal(in8(BASE + 7), FAILED);
}

static void test_cd_tray(void **state)
{
	insert_cd(*state);
	send(0, 0xfffe, 0x00);
	assert_int_equal(in8(BASE + 7), READY);
	send(0, 0xfffe, 0x1e, 0, 0, 0, 1);
	assert_int_equal(in8(BASE + 7), READY);
	send(0, 0xfffe, 0x1b, 0, 0, 0, 2);
	expect_sense(5, 0x53, 2);
	send(0, 0xfffe, 0x1e);
	send(0, 0xfffe, 0x1b, 0, 0, 0, 2);
	assert_int_equal(in8(BASE + 7), READY);
	send(0, 0xfffe, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 100);
	expect_bytes(0, 6, 4, 0x10, 3, 1, 0, 0);
	send(0, 0xfffe, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 100);
	expect_bytes(0, 6, 4, 0x10, 0, 1, 0, 0);
	send(0, 0xfffe, 0x00);
	expect_sense(2, 0x3a, 2);
	send(0, 0xfffe, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
	expect_sense(2, 0x3a, 2);
	/* And in again, of which the next command tells. */
	send(0, 0xfffe, 0x1b, 0, 0, 0, 3);
	assert_int_equal(in8(BASE + 7), READY);
	send(0, 0xfffe, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 100);
	expect_bytes(0, 6, 4, 0x10, 2, 2, 0, 0);
	send(0, 0xfffe, 0x25);
	expect_sense(6, 0x28, 0);
	send(0, 0xfffe, 0x00);
	assert_int_equal(in8(BASE + 7), READY);
	send(0, 0xfffe, 0x4a, 1, 0, 0, 0x02, 0, 0, 0, 100);
	expect_bytes(0, 2, 0x80, 0x10);
	send(0, 0xfffe, 0x4a, 0, 0, 0, 0x10, 0, 0, 0, 100);
	expect_sense(5, 0x24, 0);
}

static void test_cd_by_bus_master(void **state)
{
	struct fixture *fixture = *state;
	insert_cd(fixture);
	out(MASTER + 4, 4, 0x1000);
	put_entry(fixture, 0, 0x2000, 2048);
	put_entry(fixture, 1, 0x8000, 2048 | 0x80000000);
	send(1, 0, 0x28, 0, 0, 0, 0, 5, 0, 0, 2);
	assert_int_equal(in8(CONTROL), REQUEST);
	run_master(true);
	assert_int_equal(in8(MASTER + 2), 0x04);
	assert_int_equal(in8(BASE + 7), READY);
	assert_int_equal(in8(BASE + 2), AT_END);
	out8(MASTER, 0);
	expect_cd_sectors(fixture->memory + 0x2000, 5, 1);
	expect_cd_sectors(fixture->memory + 0x8000, 6, 1);
	/* What comes out of no file, to less memory than is given, and after the master is started. */
	out8(MASTER + 2, 0x06);
	out8(MASTER, 0x09);
	send(1, 0, 0x12, 0, 0, 0, 36);
	assert_int_equal(in8(MASTER + 2), 0x05);
	assert_int_equal(in8(BASE + 7), READY);
	assert_memory_equal(fixture->memory + 0x2000 + 16, "CD-ROM", 6);
	out8(MASTER, 0);
	/* To where there is no memory. */
	put_entry(fixture, 0, MEMORY - 16, 2048 | 0x80000000);
	send(1, 0, 0x12, 0, 0, 0, 36);
	run_master(true);
	assert_int_equal(in8(MASTER + 2), 0x06);
	out8(MASTER, 0);
	assert_int_equal(in8(BASE + 7), FAILED);
	send(0, 0xfffe, 0x03, 0, 0, 0, 3);
	expect_bytes(0x70, 0, 4);
}

static void test_cd_is_reset_amid(void **state)
{
	insert_cd(*state);
	send(0, 512, 0x28, 0, 0, 0, 0, 3, 0, 0, 9);
	in(BASE, 4);
	out8(CONTROL, 0x04);
	out8(CONTROL, 0x00);
	assert_int_equal(in(BASE, 2), 0);
	out8(BASE + 6, 0xb0);
	/* Amid a packet. */
	out8(BASE + 7, 0xa0);
	out(BASE, 4, 0x28);
	out8(BASE + 7, 0x08);
	assert_int_equal(in8(BASE + 7), 0);
	for (int i = 0; i < 8; i++)
		out(BASE, 4, 0);
	assert_int_equal(in8(BASE + 7), 0);
	send(0, 0xfffe, 0x00);
	assert_int_equal(in8(BASE + 7), READY);
}

static void start(struct fixture *fixture)
{
	for (int i = 0; i < 2; i++)
		assert_int_equal(ata_start(&fixture->ide.channels[i]), 0);
}

static void stop(struct fixture *fixture)
{
	for (int i = 0; i < 2; i++)
		ata_stop(&fixture->ide.channels[i]);
}

static void await_ready(void)
{
	while (in8(CONTROL) & 0x80)
		sched_yield();
}

/* By a thread of the channel's: the same comes out of it, after a while, and however often it is given up. */
static void test_transfers_aside(void **state)
{
	struct fixture *fixture = *state;
	uint8_t expected[512];
	start(fixture);
	out(MASTER + 4, 4, 0x1000);
	put_entry(fixture, 0, 0x2000, 512 | 0x80000000);
	for (uint32_t i = 0; i < 200; i++) {
		command(0xc8, i, 1);
		run_master(true);
		await_ready();
		assert_int_equal(in8(MASTER + 2), 0x04);
		assert_true(fixture->lines[0].level);
		assert_int_equal(in8(BASE + 7), READY);
		assert_false(fixture->lines[0].level);
		out8(MASTER, 0);
		fill_sector(expected, i);
		assert_memory_equal(fixture->memory + 0x2000, expected, 512);
		command(0xe7, 0, 0);
		if (i % 3 == 0) {
			out8(CONTROL, 0x04);
			out8(CONTROL, 0x00);
		}
		await_ready();
		in8(BASE + 7);
	}
	command(0xc8, 5, 1);
	run_master(true);
	ata_settle(&fixture->ide.channels[0]);
	assert_int_equal(in8(MASTER + 2), 0x04);
	stop(fixture);
}

/* Memory that whoever touches it waits for; -1 where the kernel has none for us. */
static int withhold(void *memory, size_t size)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.range = {(uintptr_t)memory, size}, .mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (fd >= 0 && (ioctl(fd, UFFDIO_API, &api) < 0 || ioctl(fd, UFFDIO_REGISTER, &range) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The transfer hangs in the middle; the guest sees a drive that is busy, and goes on. */
static void test_busy(void **state)
{
	enum { PAGE = 4096 };
	struct fixture *fixture = *state;
	uint8_t *own = fixture->memory;
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	fixture->memory = fixture->ram.regions[0].host = memory;
	out(MASTER + 4, 4, 0x1000);
	put_entry(fixture, 0, 0x8000, 512 | 0x80000000);
	int fd = withhold(memory + 0x8000, PAGE);
	if (fd < 0) {
		munmap(memory, MEMORY);
		fixture->memory = own;
	}
	skip_without(fd >= 0, "userfaultfd(2)");
	start(fixture);
	command(0xc8, 7, 1);
	run_master(true);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(in8(BASE + 7), 0x80);
		assert_int_equal(in8(CONTROL), 0x80);
		assert_int_equal(in8(BASE + 2), 0x80);
		assert_int_equal(in8(MASTER), 0x09);
		assert_int_equal(in8(MASTER + 2) & 0x05, 0x01);
		out8(BASE + 7, 0xec);
		out(BASE, 2, 0xffff);
	}
	assert_false(fixture->lines[0].level);
	struct uffdio_zeropage give = {.range = {(uintptr_t)memory + 0x8000, PAGE}};
	assert_int_equal(ioctl(fd, UFFDIO_ZEROPAGE, &give), 0);
	await_ready();
	assert_true(fixture->lines[0].level);
	assert_int_equal(in8(MASTER + 2), 0x04);
	assert_int_equal(in8(BASE + 7), READY);
	uint8_t expected[512];
	fill_sector(expected, 7);
	assert_memory_equal(memory + 0x8000, expected, 512);
	stop(fixture);
	close(fd);
	munmap(memory, MEMORY);
	fixture->memory = own;
}

#define case_(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_identify),
		case_(test_reading),
		case_(test_cylinders),
		case_(test_writing),
		case_(test_multiple_and_long_addresses),
		case_(test_out_of_the_disk),
		case_(test_reset_amid),
		case_(test_interrupts_held_back),
		case_(test_what_is_missing),
		case_(test_read_only),
		case_(test_bus_master),
		case_(test_bus_master_beyond_the_memory),
		case_(test_bus_master_moves),
		case_(test_cd_is_found),
		case_(test_cd_describes_itself),
		case_(test_cd_is_read),
		case_(test_cd_ends),
		case_(test_cd_tray),
		case_(test_cd_by_bus_master),
		case_(test_cd_is_reset_amid),
		case_(test_transfers_aside),
		case_(test_busy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
