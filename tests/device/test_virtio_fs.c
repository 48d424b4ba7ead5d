/* SPDX-License-Identifier: MIT */
/* A shared directory: what a guest reads of it, and where it does not get. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs_bench.h"
#include "support.h"

static void it_has_a_tag_and_greets(void **state)
{
	struct bench *bench = *state;
	char tag[FS_TAG_MAX];
	const struct fuse_init_in in = {.major = 7, .minor = 38, .max_readahead = 1 << 24, .flags = UINT32_MAX};
	for (unsigned i = 0; i < sizeof(tag); i++)
		bus_read(&bench->driver.bus, DRIVER_BASE + VIRTIO_MMIO_CONFIG + i, &tag[i], 1);
	assert_string_equal(tag, "share");
	assert_int_equal(driver_get(&bench->driver, VIRTIO_MMIO_CONFIG + FS_TAG_MAX), 1);
	assert_int_equal(ask(bench, FUSE_INIT, 0, &in, sizeof(in)), 0);
	const struct fuse_init_out *out = (const void *)bench->answer;
	assert_int_equal(out->major, 7);
	assert_int_equal(out->flags & FUSE_WRITEBACK_CACHE, 0);
	const struct fuse_init_in old = {.major = 6};
	assert_int_equal(ask(bench, FUSE_INIT, 0, &old, sizeof(old)), -EPROTO);
	assert_int_equal(ask(bench, FUSE_INIT, 0, &in, 8), -EPROTO);
}

static void files_are_found_and_read(void **state)
{
	struct bench *bench = *state;
	struct fuse_entry_out entry;
	uint64_t handle = 0;
	assert_int_equal(look_up(bench, FS_ROOT, "file", &entry), 0);
	assert_int_equal(entry.attr.size, 20);
	assert_int_equal(entry.attr.mode, S_IFREG | 0640);
	assert_int_equal(open_node(bench, FUSE_OPEN, entry.nodeid, O_RDONLY, &handle), 0);
	assert_int_equal(read_handle(bench, FUSE_READ, handle, 12, 1000), 0);
	assert_int_equal(bench->answer_size, 8);
	assert_memory_equal(bench->answer, "the file", 8);
	assert_int_equal(read_handle(bench, FUSE_READ, handle, 4, 3), 0);
	assert_memory_equal(bench->answer, "ent", bench->answer_size);
	assert_int_equal(read_handle(bench, FUSE_READ, handle, 1000, 3), 0);
	assert_int_equal(bench->answer_size, 0);
	assert_int_equal(read_handle(bench, FUSE_READ, handle, UINT64_MAX, 3), -EINVAL);
	const struct fuse_release_in release = {.fh = handle};
	assert_int_equal(ask(bench, FUSE_RELEASE, entry.nodeid, &release, sizeof(release)), 0);
	assert_int_equal(ask(bench, FUSE_RELEASE, entry.nodeid, &release, sizeof(release)), -EBADF);
	assert_int_equal(read_handle(bench, FUSE_READ, handle, 0, 3), -EBADF);
	assert_int_equal(read_handle(bench, FUSE_READ, UINT64_MAX, 0, 3), -EBADF);
	const struct fuse_getattr_in getattr = {0};
	assert_int_equal(ask(bench, FUSE_GETATTR, node_of(bench, node_of(bench, FS_ROOT, "sub"), "deep"), &getattr,
			     sizeof(getattr)),
			 0);
	assert_int_equal(((const struct fuse_attr_out *)(const void *)bench->answer)->attr.size, 4);
	assert_int_equal(ask(bench, FUSE_STATFS, FS_ROOT, "", 0), 0);
}

static void directories_are_read_in_parts(void **state)
{
	struct bench *bench = *state;
	uint64_t handle = 0, offset = 0;
	int count = 0;
	assert_int_equal(open_node(bench, FUSE_OPENDIR, node_of(bench, FS_ROOT, "sub"), O_RDONLY, &handle), 0);
	do {
		assert_int_equal(read_handle(bench, FUSE_READDIR, handle, offset, 4096), 0);
		for (uint32_t at = 0; at < bench->answer_size;) {
			const struct fuse_dirent *entry = (const void *)(bench->answer + at);
			at += (uint32_t)FUSE_DIRENT_SIZE(entry);
			offset = entry->off;
			count++;
		}
	} while (bench->answer_size > 0);
	/* With "deep" and the two dots. */
	assert_int_equal(count, 303);
	assert_int_equal(read_handle(bench, FUSE_READDIR, handle, 0, 8), -EINVAL);
}

static void the_guest_does_not_get_out(void **state)
{
	struct bench *bench = *state;
	struct fuse_entry_out entry;
	uint64_t handle = 0;
	/* Such a link leads out, where somebody follows it. */
	int fd = openat(bench->shared, "link", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	fd = openat(bench->shared, "up/secret", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);

	assert_int_equal(look_up(bench, FS_ROOT, "..", &entry), -EINVAL);
	assert_int_equal(look_up(bench, FS_ROOT, ".", &entry), -EINVAL);
	assert_int_equal(look_up(bench, FS_ROOT, "", &entry), -EINVAL);
	assert_int_equal(look_up(bench, FS_ROOT, "sub/deep", &entry), -EINVAL);
	assert_int_equal(look_up(bench, FS_ROOT, "/etc", &entry), -EINVAL);
	assert_int_equal(look_up(bench, FS_ROOT, "link", &entry), 0);
	assert_true(S_ISLNK(entry.attr.mode));
	assert_true(open_node(bench, FUSE_OPEN, entry.nodeid, O_RDONLY, &handle) < 0);
	assert_int_equal(ask(bench, FUSE_READLINK, entry.nodeid, "", 0), 0);
	assert_memory_equal(bench->answer, "../secret", 9);
	assert_int_equal(look_up(bench, FS_ROOT, "up", &entry), 0);
	assert_int_equal(look_up(bench, entry.nodeid, "secret", &entry), -ELOOP);
	/* A directory that becomes a link while the guest knows it. */
	uint64_t sub = node_of(bench, FS_ROOT, "sub"), deep = node_of(bench, sub, "deep");
	assert_int_equal(renameat(bench->shared, "sub", bench->shared, "moved"), 0);
	assert_int_equal(symlinkat("moved", bench->shared, "sub"), 0);
	assert_int_equal(open_node(bench, FUSE_OPEN, deep, O_RDONLY, &handle), -ELOOP);
	assert_true(open_node(bench, FUSE_OPENDIR, sub, O_RDONLY, &handle) < 0);
}

static void what_is_no_file_is_not_opened(void **state)
{
	struct bench *bench = *state;
	uint64_t handle = 0, pipe = node_of(bench, FS_ROOT, "pipe"), file = node_of(bench, FS_ROOT, "file"),
		 sub = node_of(bench, FS_ROOT, "sub");
	assert_int_equal(open_node(bench, FUSE_OPEN, pipe, O_RDONLY, &handle), -EACCES);
	assert_int_equal(open_node(bench, FUSE_OPEN, sub, O_RDONLY, &handle), -EISDIR);
	assert_int_equal(open_node(bench, FUSE_OPENDIR, file, O_RDONLY, &handle), -ENOTDIR);
	assert_int_equal(open_node(bench, FUSE_OPEN, 12345, O_RDONLY, &handle), -ENOENT);
	assert_int_equal(open_node(bench, FUSE_OPEN, UINT64_MAX, O_RDONLY, &handle), -ENOENT);
	assert_int_equal(open_node(bench, FUSE_OPEN, 0, O_RDONLY, &handle), -ENOENT);
}

static void nothing_is_changed(void **state)
{
	struct bench *bench = *state;
	uint64_t handle = 0, file = node_of(bench, FS_ROOT, "file");
	static const uint32_t changes[] = {FUSE_SETATTR,  FUSE_SYMLINK,   FUSE_MKNOD,  FUSE_MKDIR, FUSE_UNLINK,
					   FUSE_RMDIR,    FUSE_RENAME,    FUSE_LINK,   FUSE_WRITE, FUSE_CREATE,
					   FUSE_SETXATTR, FUSE_FALLOCATE, FUSE_RENAME2};
	const char argument[200] = "file";
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		assert_int_equal(ask(bench, changes[i], FS_ROOT, argument, sizeof(argument)), -EROFS);
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDWR, &handle), -EROFS);
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_WRONLY, &handle), -EROFS);
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY | O_TRUNC, &handle), -EROFS);
	assert_int_equal(ask(bench, FUSE_GETXATTR, file, argument, sizeof(argument)), -ENOSYS);
	assert_int_equal(ask(bench, 9999, file, argument, sizeof(argument)), -ENOSYS);
	struct stat st;
	assert_int_equal(fstatat(bench->shared, "file", &st, 0), 0);
	assert_int_equal(st.st_size, 20);
}

static void what_is_opened_is_bounded_and_closed(void **state)
{
	struct bench *bench = *state;
	uint64_t handle = 0, file = node_of(bench, FS_ROOT, "file");
	int fds = support_count_fds();
	for (int i = 0; i < FUSE_OPEN_MAX; i++)
		assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &handle), 0);
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &handle), -ENFILE);
	assert_int_equal(support_count_fds(), fds + FUSE_OPEN_MAX);
	driver_set(&bench->driver, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(support_count_fds(), fds);
	driver_begin(&bench->driver, 0, 2);
	/* The guest knew it before. */
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &handle), -ENOENT);
	/* An answer that the guest has no room for opens nothing. */
	const struct fuse_open_in in = {0};
	file = node_of(bench, FS_ROOT, "file");
	assert_int_equal(ask_within(bench, FUSE_OPEN, file, &in, sizeof(in), 20), -EIO);
	assert_int_equal(ask_within(bench, FUSE_OPEN, file, &in, sizeof(in), 10), 1);
	assert_int_equal(support_count_fds(), fds);
}

static void short_requests_are_refused(void **state)
{
	struct bench *bench = *state;
	uint64_t file = node_of(bench, FS_ROOT, "file");
	assert_int_equal(ask(bench, FUSE_OPEN, file, "", 1), -EINVAL);
	assert_int_equal(ask(bench, FUSE_READ, file, "", 1), -EBADF);
	assert_int_equal(ask(bench, FUSE_RELEASE, file, "", 1), -EBADF);
	assert_int_equal(ask(bench, FUSE_LOOKUP, FS_ROOT, "", 0), -EINVAL);
	/* A name without an end is what there is of it, and too long. */
	char name[2000];
	memset(name, 'n', sizeof(name));
	assert_int_equal(ask(bench, FUSE_LOOKUP, FS_ROOT, name, sizeof(name)), -ENAMETOOLONG);
	/* Not even a header: nothing to answer. */
	const struct part parts[] = {{bench->room, 10, false}, {bench->room, 100, true}};
	assert_int_equal(driver_do(&bench->driver, REQUESTS, parts, 2), 0);
}

static void what_is_forgotten_is_forgotten(void **state)
{
	struct bench *bench = *state;
	uint64_t sub = node_of(bench, FS_ROOT, "sub"), deep = node_of(bench, sub, "deep");
	const struct fuse_getattr_in getattr = {0};
	struct fuse_forget_in once = {.nlookup = 1};
	/* The directory first: it stays for what is in it. */
	assert_int_equal(ask(bench, FUSE_FORGET, sub, &once, sizeof(once)), 1);
	assert_int_equal(ask(bench, FUSE_GETATTR, deep, &getattr, sizeof(getattr)), 0);
	const struct {
		struct fuse_batch_forget_in in;
		struct fuse_forget_one one[3];
	} many = {{.count = 1000}, {{deep, 50}, {FS_ROOT, 1}, {999999, 1}}};
	assert_int_equal(ask(bench, FUSE_BATCH_FORGET, 0, &many, sizeof(many)), 1);
	assert_int_equal(ask(bench, FUSE_GETATTR, deep, &getattr, sizeof(getattr)), -ENOENT);
	assert_int_equal(ask(bench, FUSE_GETATTR, sub, &getattr, sizeof(getattr)), -ENOENT);
	assert_int_equal(ask(bench, FUSE_GETATTR, FS_ROOT, &getattr, sizeof(getattr)), 0);
}

/* Without a device: the table of nodes. */
static void nodes_are_as_many_as_there_may_be(void **state)
{
	struct fs_nodes nodes;
	char name[32], path[PATH_MAX];
	uint64_t number, parent = FS_ROOT;
	assert_int_equal(fs_nodes_init(&nodes), 0);
	for (int i = 0; i < FS_NODES_MAX - 2; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(fs_nodes_look_up(&nodes, FS_ROOT, name, &number), 0);
	}
	assert_int_equal(fs_nodes_look_up(&nodes, FS_ROOT, "one more", &number), -ENOMEM);
	assert_int_equal(fs_nodes_look_up(&nodes, FS_ROOT, "7", &number), 0);
	fs_nodes_forget(&nodes, number, 2);
	assert_int_equal(fs_nodes_look_up(&nodes, FS_ROOT, "one more", &number), 0);
	fs_nodes_reset(&nodes);
	/* And as deep. */
	int depth = 0;
	while (fs_nodes_look_up(&nodes, parent, "directory", &number) == 0 &&
	       fs_nodes_path(&nodes, number, path) == 0) {
		parent = number;
		depth++;
	}
	assert_int_equal(fs_nodes_path(&nodes, number, path), -ENAMETOOLONG);
	assert_true(depth > 400 && depth < 420);
	fs_nodes_release(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_has_a_tag_and_greets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_are_found_and_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(directories_are_read_in_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_guest_does_not_get_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_not_opened, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_opened_is_bounded_and_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(short_requests_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_forgotten_is_forgotten, set_up, tear_down),
		cmocka_unit_test(nodes_are_as_many_as_there_may_be),
	};
	return cmocka_run_group_tests_name("virtio-fs", tests, NULL, NULL);
}
