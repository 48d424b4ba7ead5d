/* SPDX-License-Identifier: MIT */
/* CD-ROM drives (ATAPI), driven as a BIOS and an operating system do. */
#include "ide_drives.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_cd_is_found),      case_(test_cd_describes_itself),
		case_(test_cd_is_read),       case_(test_cd_ends),
		case_(test_cd_tray),          case_(test_cd_by_bus_master),
		case_(test_cd_is_reset_amid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
