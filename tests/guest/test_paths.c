/* SPDX-License-Identifier: MIT */
/* Hostile paths, and trees in memory as bytes that somebody damaged. */
#include "guest_support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/files/memory_tree.h"

static void test_hostile_paths(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_output(run(fixture, "/probe-files", "paths", "/tmp"), "done\n");
}

static struct memory_tree *make_tree(void)
{
	int r;
	struct memory_tree *tree = memory_tree_new(1 << 20, 0755, 0, 0, NULL);
	assert_non_null(tree);
	struct memory_node *file = memory_node_new(tree, S_IFREG | 0644, 1, 2, &r);
	assert_int_equal(contents_write(&file->contents, &tree->quota, "text", 4, 100000), 4);
	assert_ok(memory_link(tree->root, "file", file));
	assert_ok(memory_link(tree->root, "other", file));
	assert_ok(memory_link(tree->root, "hidden", NULL));
	struct memory_node *link = memory_node_new(tree, S_IFLNK | 0777, 0, 0, &r);
	link->target = strdup("file");
	assert_ok(memory_link(tree->root, "link", link));
	struct memory_node *directory = memory_node_new(tree, S_IFDIR | 0700, 0, 0, &r);
	assert_ok(memory_link(tree->root, "directory", directory));
	return tree;
}

static void test_a_tree_saved_and_loaded(void **state)
{
	char text[8] = "";
	int r;
	size_t used;
	struct memory_buffer buffer = {0};
	struct memory_tree *tree = make_tree();
	assert_ok(memory_tree_save(tree, &buffer));
	memory_tree_unref(tree);
	struct memory_tree *loaded = memory_tree_load(buffer.data, buffer.size, &used, &r);
	assert_non_null(loaded);
	assert_int_equal(used, buffer.size);
	struct memory_entry *file = memory_find(loaded->root, "file");
	assert_int_equal(contents_read(&file->node->contents, text, 8, 100000), 4);
	assert_string_equal(text, "text");
	assert_ptr_equal(memory_find(loaded->root, "other")->node, file->node);
	assert_null(memory_find(loaded->root, "hidden")->node);
	assert_string_equal(memory_find(loaded->root, "link")->node->target, "file");

	/* A layer upon it has a copy of its own once it writes. */
	struct memory_tree *upper = memory_tree_new(1 << 20, 0755, 0, 0, loaded);
	struct memory_node *own = memory_tree_own(upper, file->node, &r);
	assert_int_equal(own->ino, file->node->ino);
	assert_int_equal(contents_write(&own->contents, &upper->quota, "TE", 2, 100000), 2);
	assert_int_equal(contents_read(&own->contents, text, 4, 100000), 4);
	assert_memory_equal(text, "TExt", 4);
	assert_int_equal(contents_read(&file->node->contents, text, 4, 100000), 4);
	assert_memory_equal(text, "text", 4);
	assert_ptr_equal(memory_tree_own(upper, file->node, &r), own);
	memory_tree_unref(upper);
	memory_tree_unref(loaded);
	free(buffer.data);
}

/* Whatever the bytes are: a tree or a refusal, and never more (run under the sanitizers). */
static void test_damaged_trees(void **state)
{
	int r, refused = 0;
	size_t used;
	struct memory_buffer buffer = {0};
	struct memory_tree *tree = make_tree();
	assert_ok(memory_tree_save(tree, &buffer));
	memory_tree_unref(tree);
	for (size_t size = 0; size < buffer.size; size++) {
		assert_null(memory_tree_load(buffer.data, size, &used, &r));
		assert_true(r == -EINVAL || r == -ENOMEM);
	}
	for (size_t i = 0; i < buffer.size; i++) {
		uint8_t old = buffer.data[i];
		for (int value = 0; value < 256; value += 51) {
			buffer.data[i] = (uint8_t)value;
			tree = memory_tree_load(buffer.data, buffer.size, &used, &r);
			refused += !tree;
			memory_tree_unref(tree);
		}
		buffer.data[i] = old;
	}
	assert_true(refused > 100);
	free(buffer.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_paths),
		cmocka_unit_test(test_a_tree_saved_and_loaded),
		cmocka_unit_test(test_damaged_trees),
	};
	return cmocka_run_group_tests_name("guest paths", tests, fixture_setup, fixture_teardown);
}
