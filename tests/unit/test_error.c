/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <virtiso.h>

#include "core/error.h"

static void test_error_holds_what_was_set(void **state)
{
	assert_int_equal(error_fail(VISO_STAGE_MOUNT, EPERM, "/proc", "%s said no", "the kernel"), -EPERM);
	assert_int_equal(viso_error_number(), EPERM);
	assert_int_equal(viso_error_stage(), VISO_STAGE_MOUNT);
	assert_string_equal(viso_error_object(), "/proc");
	assert_string_equal(viso_error_message(), "the kernel said no");
	viso_error_clear();
	assert_int_equal(viso_error_number(), 0);
	assert_int_equal(viso_error_stage(), VISO_STAGE_NONE);
	assert_string_equal(viso_error_message(), "");
}

static void test_error_wraps_itself(void **state)
{
	error_fail(VISO_STAGE_ELF, ENOENT, "libx.so", "libx.so is missing");
	error_fail(VISO_STAGE_ROOT, ENOENT, viso_error_object(), "needed: %s", viso_error_message());
	assert_string_equal(viso_error_object(), "libx.so");
	assert_string_equal(viso_error_message(), "needed: libx.so is missing");
}

static void test_error_makes_a_sentence_and_cuts_long_objects(void **state)
{
	error_fail(VISO_STAGE_EXEC, ENOENT, "/bin/x", NULL);
	assert_string_equal(viso_error_message(), "exec: /bin/x: No such file or directory");

	char object[4096];
	memset(object, 'x', sizeof(object) - 1);
	object[sizeof(object) - 1] = '\0';
	error_fail(VISO_STAGE_EXEC, ENOENT, object, NULL);
	assert_true(strlen(viso_error_object()) < sizeof(object));
}

static void *other_thread(void *argument)
{
	assert_int_equal(viso_error_number(), 0);
	error_memory();
	return NULL;
}

static void test_error_belongs_to_its_thread(void **state)
{
	pthread_t thread;
	error_argument("f", "x");
	assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(viso_error_number(), EINVAL);
}

static void test_every_stage_has_a_name(void **state)
{
	for (int stage = VISO_STAGE_NONE; stage <= VISO_STAGE_CHECKPOINT; stage++)
		assert_non_null(viso_stage_name((viso_stage)stage));
	assert_null(viso_stage_name((viso_stage)(VISO_STAGE_CHECKPOINT + 1)));
	assert_null(viso_stage_name((viso_stage)-1));
}

static void test_version_matches_the_headers(void **state)
{
	assert_int_equal(viso_version(), VISO_VERSION_NUMBER(VISO_VERSION_MAJOR, VISO_VERSION_MINOR, VISO_VERSION_MICRO));
	assert_true(VISO_CHECK_VERSION(0, 1, 0));
	assert_false(VISO_CHECK_VERSION(99, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_holds_what_was_set),
		cmocka_unit_test(test_error_wraps_itself),
		cmocka_unit_test(test_error_makes_a_sentence_and_cuts_long_objects),
		cmocka_unit_test(test_error_belongs_to_its_thread),
		cmocka_unit_test(test_every_stage_has_a_name),
		cmocka_unit_test(test_version_matches_the_headers),
	};
	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
