/* SPDX-License-Identifier: MIT */
/* Disks by virtio: a file of this machine behind them. */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"
#include "guest/device/virtio/block.h"
#include "support.h"

enum { SECTORS = 256, SECTOR = 512 };

struct bench {
	struct driver driver;
	char *directory;
	char path[256];
};

static void begin_limited(struct bench *bench, enum disk_flags flags, uint64_t features,
			  const struct rate rates[THROTTLE_KINDS])
{
	struct disk *disk;
	struct virtio *block;
	driver_open(&bench->driver);
	assert_ok(disk_open(bench->path, flags, &disk));
	assert_int_equal(virtio_block_new(&bench->driver.ram, driver_interrupt(&bench->driver), disk,
					  "serial-of-this-disk-is-long", rates, &block),
			 0);
	driver_take(&bench->driver, block);
	driver_begin(&bench->driver, features, 1);
}

static void begin(struct bench *bench, enum disk_flags flags, uint64_t features)
{
	begin_limited(bench, flags, features, (struct rate[THROTTLE_KINDS]){{0}, {0}});
}

static int make_file(void **state)
{
	static struct bench bench;
	uint8_t sector[SECTOR];
	bench.directory = support_temporary_directory();
	snprintf(bench.path, sizeof(bench.path), "%s/disk", bench.directory);
	int fd = open(bench.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; i < SECTORS; i++) {
		memset(sector, i, sizeof(sector));
		assert_int_equal(write(fd, sector, sizeof(sector)), sizeof(sector));
	}
	close(fd);
	*state = &bench;
	return 0;
}

static int remove_file(void **state)
{
	struct bench *bench = *state;
	driver_close(&bench->driver);
	support_remove_tree(bench->directory);
	free(bench->directory);
	return 0;
}

static uint8_t file_byte(const struct bench *bench, off_t offset)
{
	uint8_t byte = 0;
	int fd = open(bench->path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	close(fd);
	return byte;
}

/* Header, data, status; the status. */
static uint8_t request(struct driver *driver, uint32_t type, uint64_t sector, uint64_t data, uint32_t size,
		       bool is_read)
{
	const struct virtio_blk_outhdr header = {.type = type, .sector = sector};
	const uint8_t none = 0xee;
	const struct part parts[3] = {
		{driver_put(driver, &header, sizeof(header)), sizeof(header), false},
		{data, size, is_read},
		{driver_put(driver, &none, 1), 1, true},
	};
	if (size > 0)
		driver_do(driver, 0, parts, 3);
	else
		driver_do(driver, 0, (const struct part[]){parts[0], parts[2]}, 2);
	return *(uint8_t *)driver_at(driver, parts[2].address);
}

static void sectors_are_read_and_written(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin(bench, 0, 0);
	uint64_t data = driver_room(driver, 4 * SECTOR);
	uint8_t *bytes = driver_at(driver, data);
	assert_int_equal(driver_get(driver, VIRTIO_MMIO_CONFIG), SECTORS);
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, 7, data, 4 * SECTOR, true), VIRTIO_BLK_S_OK);
	for (int i = 0; i < 4; i++)
		assert_int_equal(bytes[i * SECTOR], 7 + i);
	memset(bytes, 0xaa, 2 * SECTOR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_OUT, 100, data, 2 * SECTOR, false), VIRTIO_BLK_S_OK);
	assert_int_equal(request(driver, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false), VIRTIO_BLK_S_OK);
	assert_int_equal(file_byte(bench, 100 * SECTOR), 0xaa);
	assert_int_equal(file_byte(bench, 102 * SECTOR - 1), 0xaa);
	assert_int_equal(file_byte(bench, 102 * SECTOR), 102);
	assert_int_equal(request(driver, VIRTIO_BLK_T_GET_ID, 0, data, 20, true), VIRTIO_BLK_S_OK);
	assert_memory_equal(bytes, "serial-of-this-disk-", 20);
}

static void data_in_many_segments_is_one_transfer(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin(bench, 0, BIT(VIRTIO_RING_F_EVENT_IDX));
	const struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN, .sector = 3};
	uint64_t head = driver_put(driver, &header, sizeof(header));
	uint64_t data = driver_room(driver, 2 * SECTOR), status = driver_room(driver, 1);
	/* The header in two, the data in odd pieces, the last one with the status. */
	const struct part parts[] = {
		{head, 5, false},
		{head + 5, 11, false},
		{data, 100, true},
		{data + 100, 500, true},
		{data + 600, 2 * SECTOR - 600, true},
		{status, 1, true},
	};
	assert_int_equal(driver_do(driver, 0, parts, 6), 2 * SECTOR + 1);
	uint8_t *bytes = driver_at(driver, data);
	for (int i = 0; i < 2 * SECTOR; i++)
		assert_int_equal(bytes[i], 3 + i / SECTOR);
	assert_int_equal(*(uint8_t *)driver_at(driver, status), VIRTIO_BLK_S_OK);
}

static void bad_requests_get_an_error(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin(bench, 0, 0);
	uint64_t data = driver_room(driver, 4 * SECTOR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, SECTORS, data, SECTOR, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, SECTORS - 1, data, 2 * SECTOR, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_OUT, SECTORS - 1, data, 2 * SECTOR, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, UINT64_MAX, data, SECTOR, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, UINT64_MAX / 512, data, SECTOR, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, UINT64_MAX / 512 + 1, data, SECTOR, true),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, 0, data, SECTOR + 1, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_OUT, 0, data, 100, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_GET_ID, 0, data, 19, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, 0x7777, 0, data, SECTOR, true), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(file_byte(bench, (off_t)(SECTORS - 1) * SECTOR), SECTORS - 1);
	/* The device goes on. */
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, 1, data, SECTOR, true), VIRTIO_BLK_S_OK);
}

static void requests_without_header_or_status_need_a_reset(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin(bench, 0, 0);
	uint64_t data = driver_room(driver, SECTOR);
	const struct part bad[][2] = {
		{{data, 15, false}, {data, 1, true}},
		{{data, 16, false}, {data, SECTOR, false}},
		{{data, 16, true}, {data, SECTOR, true}},
	};
	for (size_t i = 0; i < 3; i++) {
		driver_add(driver, 0, bad[i], 2);
		driver_kick(driver, 0);
		await_that(driver_get(driver, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
		assert_false(driver_is_used(driver, 0));
		driver_begin(driver, 0, 1);
	}
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, 1, data, SECTOR, true), VIRTIO_BLK_S_OK);
}

static uint8_t zero(struct driver *driver, uint32_t type, uint64_t sector, uint32_t count, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes range = {.sector = sector, .num_sectors = count, .flags = flags};
	return request(driver, type, 0, driver_put(driver, &range, sizeof(range)), sizeof(range), false);
}

static void discarded_sectors_are_zeroes(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin(bench, 0, BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES));
	assert_int_equal(zero(driver, VIRTIO_BLK_T_DISCARD, 16, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(file_byte(bench, 16 * SECTOR), 0);
	assert_int_equal(file_byte(bench, 24 * SECTOR - 1), 0);
	assert_int_equal(file_byte(bench, 24 * SECTOR), 24);
	assert_int_equal(zero(driver, VIRTIO_BLK_T_WRITE_ZEROES, 33, 1, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(zero(driver, VIRTIO_BLK_T_WRITE_ZEROES, 35, 1, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(file_byte(bench, 33 * SECTOR), 0);
	assert_int_equal(file_byte(bench, 34 * SECTOR), 34);
	assert_int_equal(file_byte(bench, 35 * SECTOR), 0);
	assert_int_equal(zero(driver, VIRTIO_BLK_T_DISCARD, 40, 1, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(zero(driver, VIRTIO_BLK_T_WRITE_ZEROES, 40, 1, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(zero(driver, VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero(driver, VIRTIO_BLK_T_DISCARD, UINT64_MAX, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	uint64_t data = driver_room(driver, 17 * 16);
	assert_int_equal(request(driver, VIRTIO_BLK_T_DISCARD, 0, data, 17 * 16, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_DISCARD, 0, data, 15, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_DISCARD, 0, 0, 0, false), VIRTIO_BLK_S_IOERR);
	struct stat st;
	assert_int_equal(stat(bench->path, &st), 0);
	assert_int_equal(st.st_size, SECTORS * SECTOR);
}

static void a_disk_for_reading_stays_as_it_is(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin(bench, DISK_READ_ONLY, BIT(VIRTIO_BLK_F_RO));
	uint64_t data = driver_room(driver, SECTOR);
	assert_false(driver_features(driver) & BIT(VIRTIO_BLK_F_DISCARD));
	assert_int_equal(request(driver, VIRTIO_BLK_T_OUT, 1, data, SECTOR, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(zero(driver, VIRTIO_BLK_T_WRITE_ZEROES, 1, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(file_byte(bench, SECTOR), 1);
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, 1, data, SECTOR, true), VIRTIO_BLK_S_OK);
}

static void discarded_writes_are_read_back_and_gone(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin(bench, DISK_DISCARD_WRITES, 0);
	uint64_t data = driver_room(driver, SECTOR);
	memset(driver_at(driver, data), 0xbb, SECTOR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_OUT, 1, data, SECTOR, false), VIRTIO_BLK_S_OK);
	memset(driver_at(driver, data), 0, SECTOR);
	assert_int_equal(request(driver, VIRTIO_BLK_T_IN, 1, data, SECTOR, true), VIRTIO_BLK_S_OK);
	assert_int_equal(*(uint8_t *)driver_at(driver, data), 0xbb);
	assert_int_equal(file_byte(bench, SECTOR), 1);
}

static void resets_amid_requests_lose_nothing_but_them(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin(bench, 0, BIT(VIRTIO_RING_F_EVENT_IDX));
	uint64_t begin_of_room = driver->next_free;
	for (int round = 0; round < 100; round++) {
		driver->next_free = begin_of_room;
		const struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN};
		const struct part parts[] = {
			{driver_put(driver, &header, sizeof(header)), sizeof(header), false},
			{HIGH_BASE, SECTORS * SECTOR, true},
			{driver_room(driver, 1), 1, true},
		};
		driver_begin(driver, BIT(VIRTIO_RING_F_EVENT_IDX), 1);
		for (int i = 0; i < 5; i++)
			driver_add(driver, 0, parts, 3);
		driver_kick(driver, 0);
		if (round % 3 == 0)
			usleep(50);
		driver_set(driver, VIRTIO_MMIO_STATUS, 0);
		/* Nothing of it comes after the reset. */
		uint16_t used = *((uint16_t *)driver_at(driver, driver->queues[0].used) + 1);
		memset(driver->high, 0x5a, SECTORS * SECTOR);
		usleep(100);
		assert_int_equal(used, *((uint16_t *)driver_at(driver, driver->queues[0].used) + 1));
		assert_int_equal(driver->high[0], 0x5a);
	}
}

static void stops_and_starts_serve_everything_once(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin(bench, 0, 0);
	const struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN};
	const struct part parts[] = {
		{driver_put(driver, &header, sizeof(header)), sizeof(header), false},
		{HIGH_BASE, SECTORS * SECTOR, true},
		{driver_room(driver, 1), 1, true},
	};
	for (int round = 0; round < 50; round++) {
		uint16_t heads[5], head;
		uint32_t length;
		for (int i = 0; i < 5; i++)
			heads[i] = driver_add(driver, 0, parts, 3);
		driver_kick(driver, 0);
		if (round % 2)
			virtio_stop(driver->device);
		else
			virtio_pause(driver->device);
		assert_int_equal(virtio_start(driver->device), 0);
		/* Where the disk is slow several are served at a time. */
		for (int i = 0; i < 5; i++) {
			assert_true(driver_wait(driver, 0, &head, &length));
			int place = 0;
			while (place < 5 && heads[place] != head)
				place++;
			assert_true(place < 5);
			heads[place] = UINT16_MAX;
		}
		assert_false(driver_is_used(driver, 0));
	}
}

/* So many reads of a sector; whether all have come, within the driver's patience. */
static void add_reads(struct driver *driver, unsigned count)
{
	const struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN};
	const struct part parts[] = {
		{driver_put(driver, &header, sizeof(header)), sizeof(header), false},
		{HIGH_BASE, SECTOR, true},
		{driver_room(driver, 1), 1, true},
	};
	for (unsigned i = 0; i < count; i++)
		driver_add(driver, 0, parts, 3);
	driver_kick(driver, 0);
}

static void await_used(struct driver *driver, unsigned count)
{
	uint16_t head;
	uint32_t length;
	for (unsigned i = 0; i < count; i++)
		assert_true(driver_wait(driver, 0, &head, &length));
}

static void requests_keep_to_their_rate(void **state)
{
	struct bench *bench = *state;
	struct driver *driver = &bench->driver;
	begin_limited(bench, 0, BIT(VIRTIO_RING_F_EVENT_IDX), (struct rate[THROTTLE_KINDS]){{0}, {100, 1}});
	uint64_t from = throttle_now();
	add_reads(driver, 5);
	await_used(driver, 5);
	assert_true(throttle_now() - from >= 4 * UINT64_C(10000000));
	/* One that waits for its time does not hold up a reset, a pause, or the end. */
	driver_close(driver);
	begin_limited(bench, 0, 0, (struct rate[THROTTLE_KINDS]){{1, 1}, {0}});
	add_reads(driver, 2);
	await_used(driver, 1);
	virtio_pause(driver->device);
	assert_int_equal(virtio_start(driver->device), 0);
	assert_false(driver_is_used(driver, 0));
	driver_begin(driver, 0, 1);
	add_reads(driver, 2);
	virtio_stop(driver->device);
	assert_int_equal(virtio_start(driver->device), 0);
	assert_false(driver_is_used(driver, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sectors_are_read_and_written, make_file, remove_file),
		cmocka_unit_test_setup_teardown(data_in_many_segments_is_one_transfer, make_file, remove_file),
		cmocka_unit_test_setup_teardown(bad_requests_get_an_error, make_file, remove_file),
		cmocka_unit_test_setup_teardown(requests_without_header_or_status_need_a_reset, make_file, remove_file),
		cmocka_unit_test_setup_teardown(discarded_sectors_are_zeroes, make_file, remove_file),
		cmocka_unit_test_setup_teardown(a_disk_for_reading_stays_as_it_is, make_file, remove_file),
		cmocka_unit_test_setup_teardown(discarded_writes_are_read_back_and_gone, make_file, remove_file),
		cmocka_unit_test_setup_teardown(resets_amid_requests_lose_nothing_but_them, make_file, remove_file),
		cmocka_unit_test_setup_teardown(requests_keep_to_their_rate, make_file, remove_file),
		cmocka_unit_test_setup_teardown(stops_and_starts_serve_everything_once, make_file, remove_file),
	};
	return cmocka_run_group_tests_name("virtio-block", tests, NULL, NULL);
}
