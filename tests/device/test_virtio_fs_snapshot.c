/* SPDX-License-Identifier: MIT */
/* A shared directory that is mounted while its guest is frozen: what the guest of the clone finds of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <virtiso/error.h>

#include "fs_bench.h"
#include "support.h"

static const struct fuse_rights reading = {0}, writing = {.writes = true};

static int set_up_writing(void **state)
{
	return set_up_with(state, &writing);
}

static int get_attributes(struct bench *bench, uint64_t node)
{
	const struct fuse_getattr_in in = {0};
	return ask(bench, FUSE_GETATTR, node, &in, sizeof(in));
}

static void assert_reads(struct bench *bench, uint64_t handle, const char *text)
{
	assert_int_equal(read_handle(bench, FUSE_READ, handle, 0, 100), 0);
	assert_int_equal(bench->answer_size, strlen(text));
	assert_memory_equal(bench->answer, text, strlen(text));
}

static int release_handle(struct bench *bench, uint64_t node, uint64_t handle)
{
	const struct fuse_release_in in = {.fh = handle};
	return ask(bench, FUSE_RELEASE, node, &in, sizeof(in));
}

static void replace_file(struct bench *bench, const char *name, const char *text)
{
	write_at(bench->shared, "new", text);
	assert_int_equal(renameat(bench->shared, "new", bench->shared, name), 0);
}

static void numbers_and_handles_stay(void **state)
{
	struct bench *bench = *state;
	struct fuse_entry_out entry;
	uint64_t file_handle = 0, handle = 0, directory = 0, sub = node_of(bench, FS_ROOT, "sub"),
		 deep = node_of(bench, sub, "deep"), file = node_of(bench, FS_ROOT, "file");
	const struct fuse_forget_in once = {.nlookup = 1};
	/* Known by what is beneath it alone. */
	assert_int_equal(ask(bench, FUSE_FORGET, sub, &once, sizeof(once)), 1);
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &file_handle), 0);
	assert_int_equal(open_node(bench, FUSE_OPEN, deep, O_RDONLY, &handle), 0);
	assert_int_equal(open_node(bench, FUSE_OPENDIR, sub, O_RDONLY, &directory), 0);
	assert_int_equal(release_handle(bench, file, file_handle), 0);
	int fds = support_count_fds();
	for (int i = 0; i < 3; i++) {
		/* And a clone of that, which has looked at nothing. */
		assert_int_equal(replace_device(bench, &reading, NULL), 0);
		assert_int_equal(support_count_fds(), fds);
	}
	assert_reads(bench, handle, "deep");
	assert_int_equal(read_handle(bench, FUSE_READ, file_handle, 0, 3), -EBADF);
	assert_int_equal(read_handle(bench, FUSE_READDIR, directory, 0, 4096), 0);
	assert_true(bench->answer_size > 100);
	assert_int_equal(get_attributes(bench, deep), 0);
	assert_int_equal(look_up(bench, FS_ROOT, "file", &entry), 0);
	assert_int_equal(entry.nodeid, file);
	assert_int_equal(look_up(bench, FS_ROOT, "sub", &entry), 0);
	assert_int_equal(entry.nodeid, sub);
	/* What is free is what was free. */
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &file_handle), 0);
	assert_int_equal(file_handle, 0);
	assert_int_equal(release_handle(bench, deep, handle), 0);
	assert_int_equal(release_handle(bench, sub, directory), 0);
	assert_int_equal(ask(bench, FUSE_FORGET, deep, &once, sizeof(once)), 1);
	assert_int_equal(ask(bench, FUSE_FORGET, sub, &once, sizeof(once)), 1);
	assert_int_equal(get_attributes(bench, deep), -ENOENT);
	assert_int_equal(get_attributes(bench, sub), -ENOENT);
}

static void what_is_gone_is_stale(void **state)
{
	struct bench *bench = *state;
	struct fuse_entry_out entry;
	uint64_t handle = 0, directory = 0, other = 0, sub = node_of(bench, FS_ROOT, "sub"),
		 deep = node_of(bench, sub, "deep"), file = node_of(bench, FS_ROOT, "file"),
		 pipe = node_of(bench, FS_ROOT, "pipe");
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &handle), 0);
	assert_int_equal(open_node(bench, FUSE_OPENDIR, sub, O_RDONLY, &directory), 0);
	replace_file(bench, "file", "another file");
	assert_int_equal(renameat(bench->shared, "sub", bench->shared, "moved"), 0);
	assert_int_equal(unlinkat(bench->shared, "pipe", 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(replace_device(bench, &reading, NULL), 0);
	assert_int_equal(read_handle(bench, FUSE_READ, handle, 0, 100), -ESTALE);
	assert_int_equal(read_handle(bench, FUSE_READDIR, directory, 0, 4096), -ESTALE);
	assert_int_equal(get_attributes(bench, file), -ESTALE);
	assert_int_equal(get_attributes(bench, pipe), -ESTALE);
	assert_int_equal(get_attributes(bench, deep), -ESTALE);
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &other), -ESTALE);
	/* Another one comes to the place of the directory: what is beneath has nothing to do with what was. */
	assert_int_equal(mkdirat(bench->shared, "sub", 0755), 0);
	write_at(bench->shared, "sub/deep", "other");
	assert_int_equal(look_up(bench, sub, "deep", &entry), -ESTALE);
	/* Who looks them up again finds what there is, under other numbers. */
	assert_int_equal(look_up(bench, FS_ROOT, "file", &entry), 0);
	assert_int_not_equal(entry.nodeid, file);
	assert_int_equal(entry.attr.size, 12);
	assert_int_equal(look_up(bench, FS_ROOT, "pipe", &entry), -ENOENT);
	assert_int_equal(get_attributes(bench, file), -ESTALE);
	assert_int_not_equal(node_of(bench, FS_ROOT, "sub"), sub);
	assert_int_not_equal(node_of(bench, node_of(bench, FS_ROOT, "sub"), "deep"), deep);
	/* A stale handle is one until the guest closes it. */
	assert_int_equal(open_node(bench, FUSE_OPEN, node_of(bench, FS_ROOT, "file"), O_RDONLY, &other), 0);
	assert_int_not_equal(other, handle);
	assert_reads(bench, other, "another file");
	assert_int_equal(release_handle(bench, file, handle), 0);
	assert_int_equal(release_handle(bench, file, handle), -EBADF);
	assert_int_equal(release_handle(bench, sub, directory), 0);
}

/* From when it was opened anew on it is open, whatever becomes of its name. */
static void what_is_open_again_stays_open(void **state)
{
	struct bench *bench = *state;
	struct fuse_entry_out entry;
	uint64_t handle = 0, file = node_of(bench, FS_ROOT, "file");
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &handle), 0);
	assert_int_equal(replace_device(bench, &reading, NULL), 0);
	replace_file(bench, "file", "another file");
	assert_reads(bench, handle, "contents of the file");
	assert_int_equal(look_up(bench, FS_ROOT, "file", &entry), 0);
	assert_int_equal(entry.attr.size, 12);
}

static void a_link_in_the_place_of_a_directory_leads_nowhere(void **state)
{
	struct bench *bench = *state;
	struct fuse_entry_out entry;
	uint64_t handle = 0, sub = node_of(bench, FS_ROOT, "sub"), deep = node_of(bench, sub, "deep");
	assert_int_equal(open_node(bench, FUSE_OPEN, deep, O_RDONLY, &handle), 0);
	assert_int_equal(renameat(bench->shared, "sub", bench->shared, "moved"), 0);
	assert_int_equal(symlinkat("moved", bench->shared, "sub"), 0);
	assert_int_equal(replace_device(bench, &reading, NULL), 0);
	assert_int_equal(read_handle(bench, FUSE_READ, handle, 0, 100), -ESTALE);
	assert_int_equal(get_attributes(bench, deep), -ESTALE);
	assert_int_equal(look_up(bench, FS_ROOT, "sub", &entry), 0);
	assert_int_not_equal(entry.nodeid, sub);
	assert_true(S_ISLNK(entry.attr.mode));
}

static void writing_goes_on(void **state)
{
	struct bench *bench = *state;
	struct {
		struct fuse_write_in in;
		char text[4];
	} write = {{.offset = 3, .size = 4}, "more"};
	uint64_t file = node_of(bench, FS_ROOT, "file"), gone = node_of(bench, node_of(bench, FS_ROOT, "sub"), "deep"),
		 closed = 0;
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDWR | O_APPEND, &write.in.fh), 0);
	assert_int_equal(open_node(bench, FUSE_OPEN, gone, O_RDWR, &closed), 0);
	/* By the guest itself, which keeps it open: it has no name by which it could be found. */
	assert_int_equal(ask(bench, FUSE_UNLINK, node_of(bench, FS_ROOT, "sub"), "deep", 5), 0);
	assert_int_equal(replace_device(bench, &writing, NULL), 0);
	assert_int_equal(ask(bench, FUSE_WRITE, file, &write, sizeof(write)), 0);
	/* As it was opened: behind all there is. */
	assert_reads(bench, write.in.fh, "contents of the filemore");
	write.in.fh = closed;
	assert_int_equal(ask(bench, FUSE_WRITE, gone, &write, sizeof(write)), -ESTALE);
	assert_int_equal(get_attributes(bench, gone), -ESTALE);
}

static void what_was_written_counts_on(void **state)
{
	struct bench *bench = *state;
	const struct fuse_rights limited = {.writes = true, .written_max = 10};
	struct {
		struct fuse_write_in in;
		char text[6];
	} write = {{.size = 6}, "bytes"};
	uint64_t file = node_of(bench, FS_ROOT, "file");
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_WRONLY, &write.in.fh), 0);
	assert_int_equal(ask(bench, FUSE_WRITE, file, &write, sizeof(write)), 0);
	assert_int_equal(replace_device(bench, &limited, NULL), 0);
	assert_int_equal(ask(bench, FUSE_WRITE, file, &write, sizeof(write)), -EDQUOT);
}

static void other_rights_are_refused(void **state)
{
	struct bench *bench = *state;
	assert_fails(replace_device(bench, &writing, NULL), EINVAL, VISO_STAGE_GUEST, "shared directory");
	assert_fails(replace_device(bench, &reading, NULL), EINVAL, VISO_STAGE_GUEST, "shared directory");
	assert_int_equal(replace_device(bench, &reading, NULL), 0);
}

/* The host program may have fewer open now than the guest has. */
static void too_few_fds_are_an_error(void **state)
{
	struct bench *bench = *state;
	struct rlimit before, low;
	uint64_t handle = 0, file = node_of(bench, FS_ROOT, "file");
	for (int i = 0; i < 20; i++)
		assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &handle), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = (struct rlimit){(rlim_t)support_count_fds() - 10, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	int r = replace_device(bench, &reading, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -EMFILE);
	support_check_error("virtio_load", EMFILE, VISO_STAGE_GUEST, "shared directory");
}

/* As fuse_state.c has it: what there is of a directory of which nothing is known. */
enum { NOTHING_KNOWN = 40 };

static struct {
	size_t begin, at, size;
	uint8_t value;
} forged;

static void measure(uint8_t *state, size_t size)
{
	forged.begin = size - NOTHING_KNOWN;
}

static void change_byte(uint8_t *state, size_t size)
{
	forged.size = size;
	if (forged.at < size)
		state[forged.at] = forged.value;
}

/* Whatever it is that a guest would find now. */
static void use_all(struct bench *bench)
{
	struct fuse_entry_out entry;
	for (uint64_t i = 0; i < 6; i++) {
		get_attributes(bench, i);
		read_handle(bench, FUSE_READ, i, 0, 100);
		assert_false(bench->answer_size == 6 && memcmp(bench->answer, "secret", 6) == 0);
		look_up(bench, i, "deep", &entry);
		const struct fuse_forget_in forget = {.nlookup = UINT64_MAX};
		ask(bench, FUSE_FORGET, i, &forget, sizeof(forget));
	}
}

static void begin_anew(struct bench *bench)
{
	driver_set(&bench->driver, VIRTIO_MMIO_STATUS, 0);
	bench->driver.next_free = 0x1000;
	driver_begin(&bench->driver, 0, 2);
	bench->room = driver_room(&bench->driver, ROOM);
}

/*
 * Each byte of the state in turn, and with each some values: it is refused, or the guest is served as always, from
 * beneath the directory.
 */
static void forged_states_are_bounded(void **state)
{
	struct bench *bench = *state;
	static const uint8_t values[] = {0, 1, 2, 3, 0x2e, 0x2f, 0x7f, 0xff};
	int counts[2] = {0, 0};
	assert_int_equal(replace_device(bench, &reading, measure), 0);
	const int fds = support_count_fds();
	forged.at = forged.begin;
	do {
		for (size_t i = 0; i < sizeof(values); i++) {
			uint64_t handle = 0, sub = node_of(bench, FS_ROOT, "sub"), deep = node_of(bench, sub, "deep");
			assert_int_equal(open_node(bench, FUSE_OPEN, deep, O_RDONLY, &handle), 0);
			assert_int_equal(open_node(bench, FUSE_OPENDIR, sub, O_RDONLY, &handle), 0);
			forged.value = values[i];
			int r = replace_device(bench, &reading, change_byte);
			assert_true(r == 0 || r == -EINVAL);
			counts[r == 0]++;
			if (r == 0)
				use_all(bench);
			begin_anew(bench);
			assert_int_equal(support_count_fds(), fds);
		}
	} while (++forged.at < forged.size);
	print_message("# %d refused, %d taken\n", counts[0], counts[1]);
	assert_true(counts[0] > 100);
	assert_true(counts[1] > 100);
}

/* Without a device: as many as there may be, and each as deep in the tree as it gets. */
static void all_nodes_go_over(void **state)
{
	struct fs_nodes nodes, other;
	struct state_writer saved = {0};
	char name[32], path[PATH_MAX], same[PATH_MAX];
	uint64_t number, parent = FS_ROOT;
	assert_int_equal(fs_nodes_init(&nodes), 0);
	assert_int_equal(fs_nodes_init(&other), 0);
	for (int i = 0; i < FS_NODES_MAX - 2; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(fs_nodes_look_up(&nodes, i % 300 ? parent : FS_ROOT, name, &number), 0);
		parent = number;
	}
	/* A branch that has lost its name. */
	fs_nodes_drop(&nodes, FS_ROOT, "300");
	assert_int_equal(fs_nodes_save(&nodes, &saved), 0);
	struct state_reader in = {.data = saved.data, .left = saved.size};
	assert_int_equal(fs_nodes_load(&other, &in), 0);
	assert_int_equal(in.left, 0);
	for (number = FS_ROOT; number < FS_NODES_MAX; number++) {
		int r = fs_nodes_path(&nodes, number, path);
		assert_int_equal(fs_nodes_path(&other, number, same), r);
		if (r == 0)
			assert_string_equal(path, same);
	}
	assert_int_equal(fs_nodes_look_up(&other, FS_ROOT, "one more", &number), -ENOMEM);
	for (number = FS_NODES_MAX - 1; number > FS_ROOT; number--)
		fs_nodes_forget(&other, number, 1);
	for (int i = 0; i < FS_NODES_MAX - 2; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(fs_nodes_look_up(&other, FS_ROOT, name, &number), 0);
	}
	state_release(&saved);
	fs_nodes_release(&nodes);
	fs_nodes_release(&other);
}

/* In two nodes that are above each other, or one above itself: names would have no end. */
static void circles_are_refused(void **state)
{
	/* As fs_nodes.c has it: the two numbers, then the first node. */
	enum { FIRST = 16, NUMBER_AT = 32, PARENT_AT = 36, NAME_SIZE_AT = 40, NODE = 48 };
	struct fs_nodes nodes, other;
	uint64_t first, second;
	for (int kind = 0; kind < 4; kind++) {
		struct state_writer saved = {0};
		assert_int_equal(fs_nodes_init(&nodes), 0);
		assert_int_equal(fs_nodes_init(&other), 0);
		assert_int_equal(fs_nodes_look_up(&nodes, FS_ROOT, "a", &first), 0);
		assert_int_equal(fs_nodes_look_up(&nodes, first, "b", &second), 0);
		assert_int_equal(fs_nodes_save(&nodes, &saved), 0);
		assert_int_equal(saved.size, FIRST + 2 * (NODE + 1));
		const uint32_t parents[] = {FS_ROOT, (uint32_t)first, (uint32_t)second, 0};
		memcpy(saved.data + FIRST + PARENT_AT, &parents[kind], sizeof(parents[0]));
		struct state_reader in = {.data = saved.data, .left = saved.size};
		assert_int_equal(fs_nodes_load(&other, &in), kind == 1 || kind == 2 ? -EINVAL : 0);
		/* Two of one number. */
		memcpy(saved.data + FIRST + PARENT_AT, &parents[0], sizeof(parents[0]));
		memcpy(saved.data + FIRST + NODE + 1 + NUMBER_AT, &parents[1], sizeof(parents[1]));
		fs_nodes_reset(&other);
		in = (struct state_reader){.data = saved.data, .left = saved.size};
		assert_int_equal(fs_nodes_load(&other, &in), -EINVAL);
		state_release(&saved);
		fs_nodes_release(&nodes);
		fs_nodes_release(&other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_and_handles_stay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_gone_is_stale, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_open_again_stays_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_link_in_the_place_of_a_directory_leads_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writing_goes_on, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(what_was_written_counts_on, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(other_rights_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_few_fds_are_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forged_states_are_bounded, set_up, tear_down),
		cmocka_unit_test(all_nodes_go_over),
		cmocka_unit_test(circles_are_refused),
	};
	return cmocka_run_group_tests_name("virtio-fs-snapshot", tests, NULL, NULL);
}
