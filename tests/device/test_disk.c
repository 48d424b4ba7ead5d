/* SPDX-License-Identifier: MIT */
/* Disks of kernel guests: files of this machine. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <virtiso/error.h>

#include "guest/device/disk.h"
#include "guest/device/overlay.h"

static char *directory;
static char path[256];

static int make_file(void **state)
{
	directory = support_temporary_directory();
	snprintf(path, sizeof(path), "%s/disk", directory);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint8_t sector[512];
	for (int i = 0; i < 64; i++) {
		memset(sector, i, sizeof(sector));
		assert_int_equal(write(fd, sector, sizeof(sector)), sizeof(sector));
	}
	assert_int_equal(write(fd, "tail", 4), 4);
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	support_remove_tree(directory);
	free(directory);
	return 0;
}

static void assert_bytes(struct disk *disk, uint64_t offset, size_t size, uint8_t value)
{
	uint8_t data[8192];
	assert_int_equal(disk_read(disk, offset, data, size), 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(data[i], value);
}

static void test_what_is_written_is_in_the_file(void **state)
{
	struct disk *disk;
	uint8_t sector[512];
	assert_ok(disk_open(path, 0, &disk));
	assert_int_equal(disk_size(disk), 64 * 512);
	assert_false(disk_is_read_only(disk));
	assert_bytes(disk, 63 * 512, 512, 63);
	memset(sector, 0xaa, sizeof(sector));
	assert_int_equal(disk_write(disk, 512, sector, sizeof(sector)), 0);
	assert_int_equal(disk_zero(disk, 1024, 512, false), 0);
	assert_int_equal(disk_zero(disk, 1536, 512, true), 0);
	assert_int_equal(disk_flush(disk), 0);
	disk_close(disk);
	assert_ok(disk_open(path, DISK_READ_ONLY, &disk));
	assert_bytes(disk, 0, 512, 0);
	assert_bytes(disk, 512, 512, 0xaa);
	assert_bytes(disk, 1024, 1024, 0);
	assert_bytes(disk, 2048, 512, 4);
	disk_close(disk);
	disk_close(NULL);
}

static void test_nothing_is_out_of_the_disk(void **state)
{
	struct disk *disk;
	uint8_t data[1024] = {0};
	assert_ok(disk_open(path, 0, &disk));
	assert_int_equal(disk_read(disk, 64 * 512 - 512, data, 1024), -EINVAL);
	assert_int_equal(disk_write(disk, 64 * 512, data, 1), -EINVAL);
	assert_int_equal(disk_read(disk, UINT64_MAX, data, 2), -EINVAL);
	assert_int_equal(disk_zero(disk, 512, UINT64_MAX, false), -EINVAL);
	const struct iovec parts[2] = {{data, 512}, {data, 512}};
	assert_int_equal(disk_writev(disk, 63 * 512, parts, 2), -EINVAL);
	assert_int_equal(disk_readv(disk, 62 * 512, parts, 2), 0);
	assert_bytes(disk, 63 * 512, 512, 63);
	disk_close(disk);
}

static void test_a_read_only_disk_is_not_written(void **state)
{
	struct disk *disk;
	uint8_t data[512] = {0};
	assert_ok(disk_open(path, DISK_READ_ONLY, &disk));
	assert_true(disk_is_read_only(disk));
	assert_int_equal(disk_write(disk, 512, data, 512), -EROFS);
	assert_int_equal(disk_zero(disk, 512, 512, true), -EROFS);
	assert_int_equal(disk_flush(disk), 0);
	assert_bytes(disk, 512, 512, 1);
	disk_close(disk);
}

static void test_discarded_writes_are_seen_and_gone(void **state)
{
	struct disk *disk;
	uint8_t data[8192];
	memset(data, 0xbb, sizeof(data));
	assert_ok(disk_open(path, DISK_DISCARD_WRITES, &disk));
	/* Across blocks, from the middle of one to the middle of another. */
	assert_int_equal(disk_write(disk, 3 * 512, data, 8192), 0);
	assert_bytes(disk, 2 * 512, 512, 2);
	assert_bytes(disk, 3 * 512, 8192, 0xbb);
	assert_bytes(disk, 19 * 512, 512, 19);
	assert_int_equal(disk_zero(disk, 4 * 512, 512, true), 0);
	assert_bytes(disk, 3 * 512, 512, 0xbb);
	assert_bytes(disk, 4 * 512, 512, 0);
	assert_bytes(disk, 63 * 512, 512, 63);
	disk_close(disk);
	assert_ok(disk_open(path, DISK_DISCARD_WRITES, &disk));
	assert_bytes(disk, 3 * 512, 512, 3);
	disk_close(disk);
}

static void write_all(struct disk *disk, uint64_t offset, size_t size, uint8_t value)
{
	uint8_t data[8192];
	memset(data, value, size);
	assert_int_equal(disk_write(disk, offset, data, size), 0);
}

/* Another disk that goes on from the state of this one, which must stay as long. */
static struct disk *go_on_from(struct disk *disk, struct state_writer *state)
{
	struct disk *other;
	assert_int_equal(disk_save(disk, state), 0);
	assert_ok(disk_open_again(disk_fd(disk), path, DISK_DISCARD_WRITES, &other));
	struct state_reader in = {.data = state->data, .left = state->size};
	assert_ok(disk_load(other, &in));
	assert_int_equal(in.left, 0);
	return other;
}

static void test_another_one_goes_on_from_what_was_written(void **state)
{
	struct disk *disk;
	struct state_writer first = {0}, second = {0};
	assert_ok(disk_open(path, DISK_DISCARD_WRITES, &disk));
	write_all(disk, 512, 512, 0xaa);
	write_all(disk, 12288, 4096, 0xbb);
	struct disk *other = go_on_from(disk, &first);
	assert_bytes(other, 0, 512, 0);
	assert_bytes(other, 512, 512, 0xaa);
	assert_bytes(other, 1024, 512, 2);
	assert_bytes(other, 12288, 4096, 0xbb);
	/* Each writes for itself: amid a block that is beneath, over one, and beside. */
	write_all(other, 1024, 512, 0xcc);
	write_all(other, 12288, 4096, 0xdd);
	write_all(other, 20480, 512, 0xee);
	assert_bytes(other, 512, 512, 0xaa);
	assert_bytes(other, 1024, 512, 0xcc);
	assert_bytes(disk, 1024, 512, 2);
	assert_bytes(disk, 12288, 4096, 0xbb);
	disk_close(disk);
	struct disk *last = go_on_from(other, &second);
	disk_close(other);
	state_release(&first);
	assert_bytes(last, 512, 512, 0xaa);
	assert_bytes(last, 1024, 512, 0xcc);
	assert_bytes(last, 12288, 4096, 0xdd);
	assert_bytes(last, 20480, 512, 0xee);
	assert_bytes(last, 20992, 512, 41);
	disk_close(last);
	state_release(&second);
}

static void test_bad_states_are_refused(void **state)
{
	struct disk *disk, *other;
	struct state_writer saved = {0};
	assert_ok(disk_open(path, DISK_DISCARD_WRITES, &disk));
	write_all(disk, 0, 8192, 0xaa);
	assert_int_equal(disk_save(disk, &saved), 0);
	disk_close(disk);
	assert_ok(disk_open(path, DISK_DISCARD_WRITES, &other));
	for (size_t size = 0; size < saved.size; size += 7) {
		struct state_reader in = {.data = saved.data, .left = size};
		assert_int_equal(disk_load(other, &in), -EINVAL);
	}
	/* Whether there is one; how many; numbers that are too large, or not in order. */
	static const struct {
		size_t place;
		uint64_t value;
	} bad[] = {{0, 2}, {8, 3}, {8, UINT64_MAX}, {16, 8}, {16, 1}, {24, 0}, {24, UINT64_MAX}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t good;
		memcpy(&good, saved.data + bad[i].place, sizeof(good));
		memcpy(saved.data + bad[i].place, &bad[i].value, sizeof(good));
		struct state_reader in = {.data = saved.data, .left = saved.size};
		assert_int_equal(disk_load(other, &in), -EINVAL);
		memcpy(saved.data + bad[i].place, &good, sizeof(good));
	}
	disk_close(other);
	assert_ok(disk_open(path, 0, &other));
	struct state_reader in = {.data = saved.data, .left = saved.size};
	assert_int_equal(disk_load(other, &in), -EINVAL);
	disk_close(other);
	state_release(&saved);
}

static void test_an_overlay_is_bounded(void **state)
{
	struct overlay overlay;
	uint8_t *block, *same;
	bool is_new;
	assert_int_equal(overlay_init(&overlay, 1 << 30, 3 * OVERLAY_BLOCK), 0);
	assert_null(overlay_find(&overlay, (1 << 30) / OVERLAY_BLOCK - 1));
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(overlay_make(&overlay, i * 1000, &block, &is_new), 0);
	assert_true(is_new);
	assert_int_equal(overlay_make(&overlay, 2000, &same, &is_new), 0);
	assert_false(is_new);
	assert_ptr_equal(same, block);
	assert_int_equal(overlay_make(&overlay, 1, &block, &is_new), -ENOSPC);
	overlay_release(&overlay);
}

static void test_a_disk_is_written_by_one(void **state)
{
	struct disk *disk, *other;
	assert_ok(disk_open(path, 0, &disk));
	assert_fails(disk_open(path, 0, &other), EBUSY, VISO_STAGE_GUEST, path);
	assert_fails(disk_open(path, DISK_READ_ONLY, &other), EBUSY, VISO_STAGE_GUEST, path);
	disk_close(disk);
	assert_ok(disk_open(path, DISK_READ_ONLY, &disk));
	assert_fails(disk_open(path, 0, &other), EBUSY, VISO_STAGE_GUEST, path);
	assert_ok(disk_open(path, DISK_DISCARD_WRITES, &other));
	disk_close(other);
	disk_close(disk);
}

static void test_what_is_no_disk(void **state)
{
	struct disk *disk;
	char other[300];
	int fds = support_count_fds();
	snprintf(other, sizeof(other), "%s/other", directory);
	assert_fails(disk_open(other, 0, &disk), ENOENT, VISO_STAGE_GUEST, other);
	assert_fails(disk_open(directory, DISK_READ_ONLY, &disk), EINVAL, VISO_STAGE_GUEST, directory);
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_fails(disk_open(other, DISK_READ_ONLY, &disk), EINVAL, VISO_STAGE_GUEST, other);
	assert_int_equal(truncate(path, 511), 0);
	assert_fails(disk_open(path, 0, &disk), EINVAL, VISO_STAGE_GUEST, path);
	assert_int_equal(support_count_fds(), fds);
}

static void test_a_file_that_shrinks_has_zeroes(void **state)
{
	struct disk *disk;
	assert_ok(disk_open(path, 0, &disk));
	assert_int_equal(truncate(path, 512), 0);
	assert_bytes(disk, 1024, 1024, 0);
	disk_close(disk);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)

/* More parts than one system call takes, of every size, none among them; and a file that ends amid them. */
static void test_many_parts_are_one_transfer(void **state)
{
	enum { PARTS = 2500, SIZE = 64 * 512 };
	static struct iovec parts[PARTS];
	static uint8_t in[SIZE], out[SIZE];
	struct disk *disk;
	size_t used = 0;
	for (size_t i = 0; i < SIZE; i++)
		in[i] = (uint8_t)(i * 7 + i / 256);
	for (int i = 0; i < PARTS; i++) {
		size_t size = i == PARTS - 1 ? SIZE - used : (size_t)(i % 27);
		size = size < SIZE - used ? size : SIZE - used;
		parts[i] = (struct iovec){in + used, size};
		used += size;
	}
	assert_int_equal(used, SIZE);
	assert_ok(disk_open(path, 0, &disk));
	assert_int_equal(disk_writev(disk, 0, parts, PARTS), 0);
	assert_int_equal(disk_read(disk, 0, out, SIZE), 0);
	assert_memory_equal(in, out, SIZE);
	for (int i = 0; i < PARTS; i++)
		parts[i].iov_base = out + ((uint8_t *)parts[i].iov_base - in);
	memset(out, 0, SIZE);
	assert_int_equal(disk_readv(disk, 0, parts, PARTS), 0);
	assert_memory_equal(in, out, SIZE);
	assert_int_equal(truncate(path, 1001), 0);
	assert_int_equal(disk_readv(disk, 0, parts, PARTS), 0);
	memset(in + 1001, 0, SIZE - 1001);
	assert_memory_equal(in, out, SIZE);
	disk_close(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_what_is_written_is_in_the_file),
		case_(test_nothing_is_out_of_the_disk),
		case_(test_a_read_only_disk_is_not_written),
		case_(test_discarded_writes_are_seen_and_gone),
		case_(test_another_one_goes_on_from_what_was_written),
		case_(test_bad_states_are_refused),
		case_(test_an_overlay_is_bounded),
		case_(test_a_disk_is_written_by_one),
		case_(test_what_is_no_disk),
		case_(test_a_file_that_shrinks_has_zeroes),
		case_(test_many_parts_are_one_transfer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
