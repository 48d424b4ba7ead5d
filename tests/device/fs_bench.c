/* SPDX-License-Identifier: MIT */
#include "fs_bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

void write_at(int directory, const char *name, const char *text)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static struct virtio *make_device(struct bench *bench, const struct fuse_rights *rights)
{
	struct virtio *fs;
	assert_int_equal(virtio_fs_new(&bench->driver.ram, driver_interrupt(&bench->driver), dup(bench->shared),
				       "share", rights, &fs),
			 0);
	return fs;
}

int replace_device(struct bench *bench, const struct fuse_rights *rights, void (*forge)(uint8_t *state, size_t size))
{
	struct driver *driver = &bench->driver;
	struct state_writer saved = {0};
	virtio_pause(driver->device);
	assert_int_equal(virtio_save(driver->device, &saved), 0);
	assert_false(saved.has_failed);
	virtio_stop(driver->device);
	virtio_release(driver->device);
	struct virtio *other = make_device(bench, rights);
	if (forge)
		forge(saved.data, saved.size);
	struct state_reader in = {.data = saved.data, .left = saved.size};
	int r = virtio_load(other, &in);
	/* As computer_restore() has it. */
	if (r == 0 && in.left)
		r = state_damaged("end");
	state_release(&saved);
	if (r < 0) {
		virtio_release(other);
		other = make_device(bench, rights);
	}
	driver->bus.count = 0;
	driver_take(driver, other);
	return r;
}

static void fill(struct bench *bench)
{
	int top = open(bench->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	write_at(top, "secret", "secret");
	assert_int_equal(mkdirat(top, "shared", 0755), 0);
	bench->shared = openat(top, "shared", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_at(bench->shared, "file", "contents of the file");
	assert_int_equal(mkdirat(bench->shared, "sub", 0750), 0);
	write_at(bench->shared, "sub/deep", "deep");
	assert_int_equal(symlinkat("../secret", bench->shared, "link"), 0);
	assert_int_equal(symlinkat("..", bench->shared, "up"), 0);
	assert_int_equal(mkfifoat(bench->shared, "pipe", 0666), 0);
	for (int i = 0; i < 300; i++) {
		char name[64];
		snprintf(name, sizeof(name), "sub/entry-with-a-long-name-%d", i);
		write_at(bench->shared, name, "");
	}
	close(top);
}

int set_up_with(void **state, const struct fuse_rights *rights)
{
	static struct bench bench;
	bench.directory = support_temporary_directory();
	fill(&bench);
	driver_open(&bench.driver);
	driver_take(&bench.driver, make_device(&bench, rights));
	driver_begin(&bench.driver, 0, 2);
	bench.room = driver_room(&bench.driver, ROOM);
	*state = &bench;
	return 0;
}

int set_up(void **state)
{
	return set_up_with(state, &(struct fuse_rights){0});
}

int tear_down(void **state)
{
	struct bench *bench = *state;
	driver_close(&bench->driver);
	close(bench->shared);
	support_remove_tree(bench->directory);
	free(bench->directory);
	return 0;
}

int ask_within(struct bench *bench, uint32_t opcode, uint64_t node, const void *argument, uint32_t size, uint32_t room)
{
	struct driver *driver = &bench->driver;
	struct fuse_in_header header = {
		.len = (uint32_t)sizeof(header) + size, .opcode = opcode, .unique = 77, .nodeid = node};
	uint64_t next = driver->next_free;
	const struct part parts[3] = {
		{driver_put(driver, &header, sizeof(header)), sizeof(header), false},
		{driver_put(driver, argument, size), size, false},
		{bench->room, room, true},
	};
	uint32_t length = driver_do(driver, REQUESTS, parts, 3);
	struct fuse_out_header out;
	driver->next_free = next;
	bench->answer_size = 0;
	if (length == 0)
		return 1;
	memcpy(&out, driver_at(driver, bench->room), sizeof(out));
	assert_int_equal(out.unique, 77);
	assert_int_equal(out.len, length);
	bench->answer = (const uint8_t *)driver_at(driver, bench->room) + sizeof(out);
	bench->answer_size = length - (uint32_t)sizeof(out);
	return out.error;
}

int ask(struct bench *bench, uint32_t opcode, uint64_t node, const void *argument, uint32_t size)
{
	return ask_within(bench, opcode, node, argument, size, ROOM);
}

int look_up(struct bench *bench, uint64_t parent, const char *name, struct fuse_entry_out *out)
{
	int error = ask(bench, FUSE_LOOKUP, parent, name, (uint32_t)strlen(name) + 1);
	if (error == 0)
		memcpy(out, bench->answer, sizeof(*out));
	return error;
}

uint64_t node_of(struct bench *bench, uint64_t parent, const char *name)
{
	struct fuse_entry_out entry;
	assert_int_equal(look_up(bench, parent, name, &entry), 0);
	return entry.nodeid;
}

int open_node(struct bench *bench, uint32_t opcode, uint64_t node, uint32_t flags, uint64_t *out_handle)
{
	const struct fuse_open_in in = {.flags = flags};
	int error = ask(bench, opcode, node, &in, sizeof(in));
	if (error == 0)
		*out_handle = ((const struct fuse_open_out *)(const void *)bench->answer)->fh;
	return error;
}

int read_handle(struct bench *bench, uint32_t opcode, uint64_t handle, uint64_t offset, uint32_t size)
{
	const struct fuse_read_in in = {.fh = handle, .offset = offset, .size = size};
	return ask(bench, opcode, FS_ROOT, &in, sizeof(in));
}
