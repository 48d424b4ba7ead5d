/* SPDX-License-Identifier: MIT */
/* The modules of a kernel, found with depmod's list and without. */
#include "agent_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/agent/modules.h"

static char *directory;

static const char *at(const char *name)
{
	static char path[512];
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void put(const char *name, const char *data, size_t size)
{
	FILE *file = fopen(at(name), "we");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	fclose(file);
}

#define MODULE(needs)                                                                                                  \
	"ELF\0license=GPL\0depends=" needs "\0name=x", sizeof("ELF\0license=GPL\0depends=" needs "\0name=x")

static int set_up(void **state)
{
	static const char *const directories[] = {"boot", "lib", "lib/modules", "lib/modules/6.1",
						  "lib/modules/6.1/kernel"};
	directory = support_temporary_directory();
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		assert_int_equal(mkdir(at(directories[i]), 0755), 0);
	put("lib/modules/6.1/kernel/a-one.ko", MODULE("b,c"));
	put("lib/modules/6.1/kernel/b.ko", MODULE("c"));
	put("lib/modules/6.1/kernel/c.ko", MODULE(""));
	put("lib/modules/6.1/kernel/unneeded.ko", MODULE("c"));
	return 0;
}

static int tear_down(void **state)
{
	support_remove_tree(directory);
	free(directory);
	return 0;
}

static void assert_resolved(void)
{
	static const char *const names[] = {"a_one", "none", "c", NULL};
	static const char *const expected[] = {"kernel/c.ko", "kernel/b.ko", "kernel/a-one.ko"};
	struct strings paths = {0};
	char *found = NULL;
	char kernel[512];
	snprintf(kernel, sizeof(kernel), "%s", at("boot/vmlinuz-6.1"));
	assert_ok(modules_find(kernel, &found));
	assert_string_equal(found, at("lib/modules/6.1"));
	assert_ok(modules_resolve(found, names, &paths));
	assert_int_equal(paths.count, 3);
	for (int i = 0; i < 3; i++)
		assert_string_equal(paths.items[i], expected[i]);
	strings_clear(&paths);
	free(found);
}

static void test_without_list(void **state)
{
	assert_resolved();
}

static void test_with_list(void **state)
{
	static const char list[] = "kernel/unneeded.ko: kernel/c.ko\nkernel/a-one.ko: kernel/b.ko kernel/c.ko\n"
				   "kernel/b.ko: kernel/c.ko\nkernel/c.ko:\n";
	put("lib/modules/6.1/modules.dep", list, sizeof(list) - 1);
	assert_resolved();
	/* Those that need each other, and what is cut. */
	static const char odd[] =
		"kernel/c.ko:\nkernel/b.ko: kernel/a-one.ko kernel/c.ko\nkernel/a-one.ko: kernel/b.ko kernel/none";
	static const char *const names[] = {"a_one", NULL};
	struct strings paths = {0};
	put("lib/modules/6.1/modules.dep", odd, sizeof(odd) - 1);
	assert_ok(modules_resolve(at("lib/modules/6.1"), names, &paths));
	assert_int_equal(paths.count, 3);
	strings_clear(&paths);
}

static void test_no_modules(void **state)
{
	char *found = NULL;
	char kernel[512];
	snprintf(kernel, sizeof(kernel), "%s", at("boot/vmlinuz-9.9"));
	assert_ok(modules_find(kernel, &found));
	assert_null(found);
	/* A kernel without a version takes the only ones. */
	snprintf(kernel, sizeof(kernel), "%s", at("boot/vmlinux"));
	assert_ok(modules_find(kernel, &found));
	assert_string_equal(found, at("lib/modules/6.1"));
	free(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_without_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_with_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_modules, set_up, tear_down),
	};
	support_time_limit(20);
	return cmocka_run_group_tests_name("agent-modules", tests, NULL, NULL);
}
