/* SPDX-License-Identifier: MIT */
/* What every test includes: cmocka in the right order, skipping with a reason, small checks. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Ends the test as skipped, and names the facility that this machine lacks. */
#define skip_without(condition, facility)                                                                              \
	do {                                                                                                               \
		if (!(condition)) {                                                                                            \
			support_missing(facility);                                                                                 \
			skip();                                                                                                    \
		}                                                                                                              \
	} while (0)

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED false
#endif
/* AddressSanitizer's malloc may be locked for ever in the fork of a process with threads. */
#define MALLOC_SURVIVES_FORK (!SANITIZED)

/* A call of the library that must succeed; prints the library's error where it does not. */
#define assert_ok(call)                                                                                                \
	do {                                                                                                               \
		long ok_result_ = (call);                                                                                      \
		if (ok_result_ < 0)                                                                                            \
			support_print_error(#call, ok_result_);                                                                    \
		assert_true(ok_result_ >= 0);                                                                                  \
	} while (0)

/* A call of the library that must fail with `error`, at `stage`, with an object that contains `part`. */
#define assert_fails(call, error, stage, part)                                                                         \
	do {                                                                                                               \
		assert_int_equal((call), -(error));                                                                            \
		support_check_error(#call, (error), (stage), (part));                                                          \
	} while (0)

/* Waits for what comes by itself, however busy the machine is; fails the test where it has not come in half a minute. */
#define await_that(condition)                                                                                          \
	do {                                                                                                               \
		int await_left_ = 6000;                                                                                        \
		while (!(condition) && await_left_-- > 0)                                                                      \
			support_pause();                                                                                           \
		if (await_left_ < 0)                                                                                           \
			fail_msg("it never came that %s", #condition);                                                             \
	} while (0)

void support_missing(const char *facility);
/* Five milliseconds. */
void support_pause(void);
void support_print_error(const char *call, long result);
void support_check_error(const char *call, int error, int stage, const char *object_part);

/* The number of open fds of this process. */
int support_count_fds(void);

/* Waits until this process has no children and no fd more than `fds`; fails the test after half a minute. */
void support_assert_nothing_left(int fds);

/* Ends the test program with a message where it is not called again within so many seconds, on a quiet machine; 0 takes
 * the limit back. */
void support_time_limit(unsigned seconds);

/* A fresh directory below TMPDIR or /tmp; to be removed by support_remove_tree() and freed. */
char *support_temporary_directory(void);
/* From now on temporary files lie in the directory, by TMPDIR; with NULL where they did at first. */
void support_set_temporary(const char *directory);
void support_remove_tree(const char *path);

#endif
