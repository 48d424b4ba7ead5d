/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <virtiso.h>

#include "core/log.h"

struct seen {
	int messages;
	int destroyed;
	int nested;
	char last[64];
};

static void remember(viso_log_level level, const char *message, void *userdata)
{
	struct seen *seen = userdata;
	seen->messages++;
	snprintf(seen->last, sizeof(seen->last), "%d %s", level, message);
	seen->nested = viso_log_set_handler(VISO_LOG_INFO, NULL, NULL, NULL);
}

static void destroyed(void *userdata)
{
	((struct seen *)userdata)->destroyed++;
}

static void test_log_reaches_the_handler_by_level(void **state)
{
	struct seen seen = {0};
	assert_ok(viso_log_set_handler(VISO_LOG_WARNING, remember, &seen, destroyed));
	errno = 77;
	log_info("not wanted");
	log_warning("number %d", 5);
	assert_int_equal(errno, 77);
	assert_int_equal(seen.messages, 1);
	assert_string_equal(seen.last, "4 number 5");
	assert_int_equal(seen.nested, -EDEADLK);

	assert_ok(viso_log_set_handler(VISO_LOG_DEBUG, NULL, NULL, NULL));
	assert_int_equal(seen.destroyed, 1);
	log_warning("nobody listens");
	assert_int_equal(seen.messages, 1);
}

static void test_log_refuses_unknown_levels(void **state)
{
	assert_fails(viso_log_set_handler((viso_log_level)5, remember, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_log_set_handler");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_reaches_the_handler_by_level),
		cmocka_unit_test(test_log_refuses_unknown_levels),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
