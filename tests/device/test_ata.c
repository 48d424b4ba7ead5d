/* SPDX-License-Identifier: MIT */
/* ATA disks, driven as a BIOS and an operating system do. */
#include "ide_drives.h"

#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

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
		case_(test_transfers_aside),
		case_(test_busy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
