/* SPDX-License-Identifier: MIT */
/* Rate limits, by a clock of the test's own. */
#include "guest/device/throttle.h"
#include "support.h"

static const uint64_t second = 1000000000;

/* How many operations of this size begin within so long, where one is tried at each microsecond. */
static unsigned count_begun(struct throttle *throttle, uint64_t *now, uint64_t duration, uint64_t bytes)
{
	unsigned count = 0;
	for (uint64_t end = *now + duration; *now < end; *now += 1000) {
		while (throttle_wait(throttle, *now) == 0) {
			throttle_take(throttle, bytes, *now);
			count++;
		}
	}
	return count;
}

static void what_has_no_limit_never_waits(void **state)
{
	struct throttle throttle;
	throttle_init(&throttle, (struct rate[THROTTLE_KINDS]){{0}, {0}});
	assert_false(throttle_is_limited(&throttle));
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(throttle_wait(&throttle, 5), 0);
		throttle_take(&throttle, UINT64_MAX, 5);
	}
}

static void operations_come_at_their_rate(void **state)
{
	struct throttle throttle;
	uint64_t now = 100 * second;
	throttle_init(&throttle, (struct rate[THROTTLE_KINDS]){{0}, {100, 10}});
	assert_true(throttle_is_limited(&throttle));
	/* The burst, and then one each hundredth of a second. */
	assert_int_equal(count_begun(&throttle, &now, second / 2, 1 << 20), 10 + 49);
	assert_int_equal(count_begun(&throttle, &now, second, 0), 100);
	/* After a rest the burst once more, and not more than that. */
	now += 3600 * second;
	assert_int_equal(count_begun(&throttle, &now, 1000, 0), 10);
	assert_true(throttle_wait(&throttle, now) > 0);
	assert_true(throttle_wait(&throttle, now) <= second / 100);
}

static void bytes_come_at_their_rate(void **state)
{
	struct throttle throttle;
	uint64_t now = second;
	throttle_init(&throttle, (struct rate[THROTTLE_KINDS]){{1000000, 0}, {0}});
	assert_int_equal(throttle.rates[THROTTLE_BYTES].burst, 100000);
	/* 100,000 bytes at once, and a million in a second: 11 of 100,000, the last one begun with what was left. */
	assert_in_range(count_begun(&throttle, &now, second, 100000), 10, 11);
	now += 10 * second;
	/* What is larger than all of the burst passes, and is paid for afterwards. */
	assert_int_equal(throttle_wait(&throttle, now), 0);
	throttle_take(&throttle, 5000000, now);
	uint64_t wait = throttle_wait(&throttle, now);
	assert_in_range(wait, 4900000000, 4900010000);
	assert_true(throttle_wait(&throttle, now + wait - 1) > 0);
	assert_int_equal(throttle_wait(&throttle, now + wait), 0);
}

static void the_stricter_one_of_two_counts(void **state)
{
	struct throttle throttle;
	uint64_t now = second;
	throttle_init(&throttle, (struct rate[THROTTLE_KINDS]){{1000, 1}, {10, 1}});
	assert_int_equal(count_begun(&throttle, &now, second, 1), 10);
	now += 10 * second;
	assert_int_equal(count_begun(&throttle, &now, second, 1000), 1);
}

static void no_number_is_too_large(void **state)
{
	struct throttle throttle;
	throttle_init(&throttle, (struct rate[THROTTLE_KINDS]){{1, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}});
	for (int i = 0; i < 100; i++) {
		throttle_take(&throttle, UINT64_MAX, second);
		assert_true(throttle_wait(&throttle, second) < UINT64_MAX / 4);
	}
	throttle_init(&throttle, (struct rate[THROTTLE_KINDS]){{1, 0}, {0}});
	throttle_take(&throttle, UINT64_MAX, second);
	assert_true(throttle_wait(&throttle, second) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_no_limit_never_waits), cmocka_unit_test(operations_come_at_their_rate),
		cmocka_unit_test(bytes_come_at_their_rate),      cmocka_unit_test(the_stricter_one_of_two_counts),
		cmocka_unit_test(no_number_is_too_large),
	};
	return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
