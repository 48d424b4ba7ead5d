/* SPDX-License-Identifier: MIT */
/* Files that programs map with MAP_SHARED: what is seen there, in the file, and on the host. */
#include "guest_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The places of files: in memory, on the host, in the writable root. */
static const char *const places[] = {"/tmp/file", "/shown/file", "/new"};
enum { PLACES = sizeof(places) / sizeof(places[0]) };

static viso_guest *guest_with_bind(struct fixture *fixture, char **out_source)
{
	viso_guest *guest = new_guest(fixture, 0);
	assert_true(asprintf(out_source, "%s/shown", fixture->base) > 0);
	mkdir(*out_source, 0755);
	assert_ok(viso_guest_add_bind(guest, *out_source, "/shown", 1));
	char *upper;
	assert_true(asprintf(&upper, "%s/upper", fixture->base) > 0);
	mkdir(upper, 0755);
	assert_ok(viso_guest_set_upper_directory(guest, upper));
	free(upper);
	return guest;
}

static void assert_everywhere(struct fixture *fixture, const char *probe, const char *expected)
{
	char *source;
	viso_guest *guest = guest_with_bind(fixture, &source);
	for (int i = 0; i < PLACES; i++)
		assert_output(run_in(guest, new_command("/probe", probe, places[i], NULL)), expected);
	viso_guest_unref(guest);
	free(source);
}

static void test_all_see_the_same(void **state)
{
	need_kvm();
	assert_everywhere(*state, "map-coherently", "done\n");
}

static void test_the_end_of_the_file(void **state)
{
	need_kvm();
	assert_everywhere(*state, "map-beyond", "done\n");
}

static void test_a_futex_of_two_processes(void **state)
{
	need_kvm();
	assert_everywhere(*state, "map-in-two", "50\n");
}

static void assert_shown(const char *source, const char *expected)
{
	char *command;
	assert_true(asprintf(&command, "tr -d '\\0' <%s/file", source) > 0);
	char *output = host_output(command);
	assert_string_equal(output, expected);
	free(output);
	free(command);
}

/* Neither msync(2) nor munmap(2) is needed for the host to see what was written. */
static void test_what_is_left_of_it(void **state)
{
	struct fixture *fixture = *state;
	char *source;
	need_kvm();
	viso_guest *guest = guest_with_bind(fixture, &source);
	assert_exited(run_in(guest, new_command("/probe", "map-and-end", "/shown/file", "by its exit", NULL)), 0);
	assert_shown(source, "by its exit");
	assert_signalled(run_in(guest, new_command("/probe", "map-and-end", "/shown/file", "by a signal", "x", NULL)),
			 9);
	assert_shown(source, "by a signal");
	viso_guest_unref(guest);
	free(source);
}

static void test_it_counts_as_written(void **state)
{
	struct fixture *fixture = *state;
	char *source, *command;
	need_kvm();
	/* Without the limit all of it gets there. */
	viso_guest *guest = guest_with_bind(fixture, &source);
	assert_output(run_in(guest, new_command("/probe", "map-and-write", "/shown/file", "10", "3", NULL)), "0\n");
	viso_guest_unref(guest);
	free(source);
	guest = guest_with_bind(fixture, &source);
	/* Five pages of the second round have room, and what the program says. */
	assert_ok(viso_guest_set_written_max(guest, 15 * 4096 + 100));
	assert_output(run_in(guest, new_command("/probe", "map-and-write", "/shown/file", "10", "2", NULL)), "122\n");
	assert_true(asprintf(&command, "tr -cd '\\2' <%s/file | wc -c", source) > 0);
	char *output = host_output(command);
	assert_string_equal(output, "20480\n");
	free(output);
	free(command);
	viso_guest_unref(guest);
	free(source);
}

static void test_no_room_in_memory(void **state)
{
	need_kvm();
	viso_guest *guest = new_guest(*state, 64 << 20);
	assert_output(run_in(guest, new_command("/probe", "map-too-much", "/tmp/file", "0x100000", NULL)), "done\n");
	viso_result *result = run_in(guest, new_command("/probe", "map-too-much", "/tmp/file", "0x40000000", NULL));
	/* Whichever has no room first: the file or what is mapped of it. */
	if (viso_result_reason(result) == VISO_REASON_OUT_OF_MEMORY)
		assert_reason(result, VISO_REASON_OUT_OF_MEMORY);
	else
		assert_output(result, "SIGBUS\n");
	viso_guest_unref(guest);
}

static viso_guest *answering(struct fixture *fixture, const char *kind)
{
	viso_guest *guest = new_guest(fixture, 0);
	viso_command *command = new_command("/probe", "map-and-answer", "/tmp/file", kind, NULL);
	assert_ok(viso_guest_initialise(guest, command, NULL));
	viso_command_unref(command);
	return guest;
}

static void assert_answer(viso_guest *guest, const char *request, const char *expected)
{
	char answer[16];
	assert_int_equal(viso_guest_request(guest, request, strlen(request), answer, sizeof(answer), 20000), 6);
	assert_memory_equal(answer, expected, 6);
}

/* What is only read goes into snapshots, as of that moment; what may be written to does not. */
static void test_snapshots(void **state)
{
	need_kvm();
	viso_snapshot *snapshot = NULL;
	viso_guest *guest = answering(*state, "write"), *clone = NULL;
	assert_answer(guest, "abcdef", "abcdef");
	assert_int_equal(viso_guest_snapshot(guest, &snapshot), -EOPNOTSUPP);
	assert_answer(guest, "fedcba", "fedcba");
	viso_guest_unref(guest);

	guest = answering(*state, "read");
	assert_answer(guest, "abcdef", "abcdef");
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	assert_ok(viso_snapshot_clone(snapshot, &clone));
	assert_answer(clone, "", "abcdef");
	assert_ok(viso_guest_reset(clone));
	assert_answer(clone, "", "abcdef");
	assert_answer(guest, "", "abcdef");
	viso_guest_unref(clone);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_see_the_same),
		cmocka_unit_test(test_the_end_of_the_file),
		cmocka_unit_test(test_a_futex_of_two_processes),
		cmocka_unit_test(test_what_is_left_of_it),
		cmocka_unit_test(test_it_counts_as_written),
		cmocka_unit_test(test_no_room_in_memory),
		cmocka_unit_test(test_snapshots),
	};
	return cmocka_run_group_tests_name("guest mapped", tests, fixture_setup, fixture_teardown);
}
