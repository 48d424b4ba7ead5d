/* SPDX-License-Identifier: MIT */
/* Each allocation of an examination fails in turn: there is no machine then, an error that says so, and nothing left.
 */
#include "machines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso.h>

#include "support.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);

static _Thread_local long seen, fail_at = -1;

static bool fails(void)
{
	if (seen++ != fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

/* In place of glibc's, also for the library. */
void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size)
{
	return fails() ? NULL : __libc_realloc(pointer, size);
}

/* NULL for this machine. */
static void assert_each_failure_is_said(const char *directory)
{
	const int fds = support_count_fds();
	viso_machine *machine = NULL;
	long failures = 0;
	for (long at = 0; !machine; at++) {
		viso_error_clear();
		seen = 0;
		fail_at = at;
		machine = directory ? viso_machine_new_from(directory) : viso_machine_new();
		int error = errno;
		fail_at = -1;
		if (machine)
			break;
		failures++;
		assert_int_equal(error, ENOMEM);
		assert_int_equal(viso_error_number(), ENOMEM);
	}
	assert_true(failures > 10);
	viso_machine_unref(machine);
	support_assert_nothing_left(fds);
}

static void test_this_machine(void **state)
{
	assert_each_failure_is_said(NULL);
}

static void test_captured_machines(void **state)
{
	struct machine machine;
	char *parent = support_temporary_directory();
	FILE *file = machines_open();
	for (int i = 0; machines_next(file, parent, &machine); i++) {
		/* A part of them: with a device tree, of IBM Z, containers. */
		if (i % 8 == 0 || strstr(machine.title, "Arm with a tree") || strstr(machine.title, "IBM Z"))
			assert_each_failure_is_said(machine.directory);
		support_remove_tree(machine.directory);
	}
	fclose(file);
	support_remove_tree(parent);
	free(parent);
}

static void test_features(void **state)
{
	viso_machine *machine = viso_machine_new();
	assert_non_null(machine);
	seen = 0;
	fail_at = 0;
	int r = viso_machine_feature(machine, VISO_FEATURE_JAIL);
	fail_at = -1;
	assert_int_equal(r, -ENOMEM);
	assert_true(viso_machine_feature(machine, VISO_FEATURE_JAIL) >= 0);
	viso_machine_unref(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_this_machine),
		cmocka_unit_test(test_captured_machines),
		cmocka_unit_test(test_features),
	};
	return cmocka_run_group_tests_name("machine-memory", tests, NULL, NULL);
}
