/* SPDX-License-Identifier: MIT */
/* What a program has in use when it is frozen: pipes, sockets, events, timers, and threads that wait. */
#include "guest_support.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const programs[] = {"/waiting-static", "/waiting-dynamic"};

static viso_snapshot *frozen(struct fixture *fixture, const char *program, const char *argument, viso_guest **out_guest)
{
	viso_snapshot *snapshot = NULL;
	*out_guest = initialised(fixture, program, argument, 0);
	assert_ok(viso_guest_snapshot(*out_guest, &snapshot));
	return snapshot;
}

/* What is between the program's files is there for each clone, and after each reset, and no clone sees another. */
static void test_files(void **state)
{
	need_kvm();
	for (size_t i = 0; i < 2; i++) {
		viso_guest *guest;
		viso_snapshot *snapshot = frozen(*state, programs[i], "files", &guest);
		viso_guest *clone = clone_of(snapshot), *other = clone_of(snapshot);
		/* The attack is good: nearly everything is seen to be spoilt. */
		call(clone, "spoil_files", 0);
		assert_true(__builtin_popcountll(call(clone, "check_files", 0)) > 15);
		assert_int_equal(call(other, "check_files", 0), 0);
		for (int round = 0; round < 5; round++) {
			assert_ok(viso_guest_reset(clone));
			assert_int_equal(call(clone, "check_files", 0), 0);
			assert_ok(viso_guest_reset(clone));
			call(clone, "spoil_files", 0);
		}
		assert_int_equal(call(guest, "check_files", 0), 0);
		viso_guest_unref(other);
		viso_guest_unref(clone);
		viso_guest_unref(guest);
		viso_snapshot_unref(snapshot);
	}
}

static void test_snapshots_of_snapshots(void **state)
{
	need_kvm();
	viso_guest *guest;
	viso_snapshot *first = frozen(*state, "/waiting-static", "files", &guest), *second;
	assert_ok(viso_guest_snapshot(guest, &second));
	viso_snapshot_unref(first);
	viso_guest *clone = clone_of(second);
	assert_int_equal(call(clone, "check_files", 0), 0);
	assert_int_equal(call(guest, "check_files", 0), 0);
	viso_guest_unref(clone);
	viso_guest_unref(guest);
	viso_snapshot_unref(second);
}

/* All of them go on, in each clone and after each reset, wherever the thread is that is ready. */
static void test_threads(void **state)
{
	static const char *const ways[] = {"threads", "elsewhere"};
	need_kvm();
	for (size_t i = 0; i < 4; i++) {
		viso_guest *guest;
		viso_snapshot *snapshot = frozen(*state, programs[i % 2], ways[i / 2], &guest);
		for (int n = 0; n < 5; n++) {
			viso_guest *clone = clone_of(snapshot);
			assert_int_equal(call(clone, "poke", 0), 0);
			assert_int_equal(call(clone, "poke", 0), 0);
			assert_ok(viso_guest_reset(clone));
			assert_int_equal(call(clone, "poke", 0), 0);
			viso_guest_unref(clone);
		}
		assert_int_equal(call(guest, "poke", 0), 0);
		viso_guest_unref(guest);
		viso_snapshot_unref(snapshot);
	}
}

static void test_snapshots_of_busy_clones(void **state)
{
	need_kvm();
	viso_guest *guest;
	viso_snapshot *first = frozen(*state, "/waiting-dynamic", "threads", &guest), *second;
	assert_int_equal(call(guest, "poke", 0), 0);
	assert_ok(viso_guest_snapshot(guest, &second));
	viso_snapshot_unref(first);
	viso_guest *clone = clone_of(second);
	assert_int_equal(call(clone, "poke", 0), 0);
	assert_true(call(clone, "interrupt_sleep", 0) > 3000000);
	assert_ok(viso_guest_reset(clone));
	assert_int_equal(call(clone, "poke", 0), 0);
	viso_guest_unref(clone);
	viso_guest_unref(guest);
	viso_snapshot_unref(second);
}

/* While it is frozen no time passes for what was to happen after a while. */
static void test_time_stands_still(void **state)
{
	enum { PAUSE_S = 2, LESS_MS = 1900 };
	need_kvm();
	viso_guest *sleeping, *timed;
	viso_snapshot *sleeper = frozen(*state, "/waiting-static", "threads", &sleeping);
	viso_snapshot *timers = frozen(*state, "/waiting-static", "timers", &timed);
	uint64_t slept = call(sleeping, "interrupt_sleep", 0), left[4];
	for (uint64_t i = 0; i < 4; i++)
		left[i] = call(timed, "time_left", i);
	sleep(PAUSE_S);
	viso_guest *clone = clone_of(sleeper), *other = clone_of(timers);
	assert_true(slept > 3000000);
	assert_true(call(clone, "interrupt_sleep", 0) + LESS_MS > slept);
	for (uint64_t i = 0; i < 3; i++) {
		assert_true(left[i] > 3000000);
		assert_true(call(other, "time_left", i) + LESS_MS > left[i]);
	}
	/* But a moment comes when it comes. */
	assert_true(call(other, "time_left", 3) <= left[3] - PAUSE_S * 1000);
	viso_guest_unref(clone);
	viso_guest_unref(other);
	viso_guest_unref(sleeping);
	viso_guest_unref(timed);
	viso_snapshot_unref(sleeper);
	viso_snapshot_unref(timers);
}

static void test_signals(void **state)
{
	need_kvm();
	viso_guest *guest;
	viso_snapshot *alarms = frozen(*state, "/waiting-static", "alarm", &guest);
	for (int i = 0; i < 3; i++) {
		viso_guest *clone = clone_of(alarms);
		assert_int_equal(call(clone, "await_alarm", 0), 1);
		assert_ok(viso_guest_reset(clone));
		assert_int_equal(call(clone, "await_alarm", 0), 1);
		viso_guest_unref(clone);
	}
	viso_guest_unref(guest);
	viso_snapshot_unref(alarms);
	viso_snapshot *pending = frozen(*state, "/waiting-static", "pending", &guest);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(call(guest, "take_pending", 0), 1);
		assert_ok(viso_guest_reset(guest));
	}
	viso_guest_unref(guest);
	viso_snapshot_unref(pending);
}

/* Processes have memory of their own, of others, and in common with others. */
static void test_processes(void **state)
{
	need_kvm();
	for (size_t i = 0; i < 2; i++) {
		viso_guest *guest;
		viso_snapshot *first = frozen(*state, programs[i], "family", &guest), *second;
		assert_ok(viso_guest_snapshot(guest, &second));
		for (int n = 0; n < 4; n++) {
			viso_guest *clone = clone_of(n % 2 ? first : second);
			assert_int_equal(call(clone, "ask_family", 0), 0);
			assert_ok(viso_guest_reset(clone));
			assert_int_equal(call(clone, "ask_family", 0), 0);
			viso_guest_unref(clone);
		}
		assert_int_equal(call(guest, "ask_family", 0), 0);
		viso_guest_unref(guest);
		viso_snapshot_unref(first);
		viso_snapshot_unref(second);
	}
}

static int connect_to(const char *address, void *data)
{
	return dup(*(const int *)data);
}

/* What was handed in is there for all; a connection is closed. */
static void test_connections(void **state)
{
	need_kvm();
	int ends[2], given[2];
	char buffer[16];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, given), 0);
	viso_guest *guest = new_guest(*state, 0), *clone;
	viso_snapshot *snapshot;
	assert_ok(viso_guest_set_connect_handler(guest, connect_to, &ends[0], NULL));
	viso_command *command = new_command("/waiting-static", "connected", NULL);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, given[0]));
	assert_ok(viso_guest_initialise(guest, command, NULL));
	viso_command_unref(command);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	close(ends[0]);
	assert_int_equal(read(ends[1], buffer, sizeof(buffer)), 5);
	assert_int_equal(read(ends[1], buffer, sizeof(buffer)), 0);
	clone = clone_of(snapshot);
	assert_int_equal(call(clone, "connection_state", 0), 7);
	assert_int_equal(call(guest, "connection_state", 0), 7);
	assert_int_equal(write(given[1], "ab", 2), 2);
	assert_int_equal(call(clone, "read_given", 0), 'a');
	assert_int_equal(call(guest, "read_given", 0), 'b');
	viso_guest_unref(clone);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
	close(ends[1]);
	close(given[0]);
	close(given[1]);
}

static void clone_many(viso_snapshot *snapshot, const char *symbol, int count)
{
	for (int i = 0; i < count; i++) {
		viso_guest *clone = clone_of(snapshot);
		assert_int_equal(call(clone, symbol, 0), 0);
		viso_guest_unref(clone);
	}
}

static void test_nothing_is_left_behind(void **state)
{
	need_kvm();
	viso_guest *guest;
	int none = support_count_fds();
	viso_snapshot *snapshot = frozen(*state, "/waiting-static", "files", &guest);
	clone_many(snapshot, "check_files", 5);
	int fds = support_count_fds();
	struct mallinfo2 before = mallinfo2();
	clone_many(snapshot, "check_files", 50);
	struct mallinfo2 after = mallinfo2();
	assert_int_equal(support_count_fds(), fds);
	assert_in_range(after.uordblks, 0, before.uordblks + 4096);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
	snapshot = frozen(*state, "/waiting-static", "threads", &guest);
	clone_many(snapshot, "read_given", 5);
	before = mallinfo2();
	clone_many(snapshot, "read_given", 50);
	after = mallinfo2();
	assert_in_range(after.uordblks, 0, before.uordblks + 4096);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
	snapshot = frozen(*state, "/waiting-static", "family", &guest);
	clone_many(snapshot, "ask_family", 5);
	before = mallinfo2();
	clone_many(snapshot, "ask_family", 20);
	after = mallinfo2();
	assert_in_range(after.uordblks, 0, before.uordblks + 4096);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
	assert_in_range(support_count_fds(), 0, none + 4);
}

static const char asyncio_service[] =
	"import asyncio, threading, concurrent.futures, queue\n"
	"pool = concurrent.futures.ThreadPoolExecutor(2)\n"
	"async def answer(request):\n"
	"    loop = asyncio.get_running_loop()\n"
	"    value = await loop.run_in_executor(pool, eval, request)\n"
	"    await asyncio.sleep(0.002)\n"
	"    child = asyncio.create_task(asyncio.sleep(0.001, result=value))\n"
	"    return str(await child).encode()\n"
	"async def main():\n"
	"    loop = asyncio.get_running_loop()\n"
	"    port = open('/dev/virtiso', 'r+b', buffering=0)\n"
	"    await asyncio.gather(*[loop.run_in_executor(pool, sum, range(10)) for _ in range(4)])\n"
	"    while True:\n"
	"        request = WAIT\n"
	"        port.write(await answer(request))\n"
	"asyncio.run(main())\n";

/* A running loop has a pipe to itself and an epoll, and a pool has threads that wait for each other. */
static void serve_with_asyncio(viso_root *root, const char *wait)
{
	char code[2048], *place = strstr(asyncio_service, "WAIT");
	snprintf(code, sizeof(code), "%.*s%s%s", (int)(place - asyncio_service), asyncio_service, wait, place + 4);
	viso_guest *guest = viso_guest_new();
	viso_snapshot *snapshot;
	assert_ok(viso_guest_set_root(guest, root));
	viso_command *command = viso_command_new("/usr/bin/python3");
	assert_ok(viso_command_add_arg(command, "-c"));
	assert_ok(viso_command_add_arg(command, code));
	assert_ok(viso_command_set_timeout_ms(command, 60000));
	assert_ok(viso_guest_initialise(guest, command, NULL));
	viso_command_unref(command);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	for (int i = 0; i < 20; i++) {
		char request[32], answer[32] = "", wanted[32];
		viso_guest *clone = clone_of(snapshot);
		for (int round = 0; round < 2; round++) {
			snprintf(request, sizeof(request), "%d * 6", i + round);
			snprintf(wanted, sizeof(wanted), "%d", (i + round) * 6);
			memset(answer, 0, sizeof(answer));
			assert_ok(
				viso_guest_request(clone, request, strlen(request), answer, sizeof(answer) - 1, 10000));
			assert_string_equal(answer, wanted);
		}
		viso_guest_unref(clone);
	}
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
}

static void test_asyncio(void **state)
{
	need_kvm();
	skip_without(access("/usr/bin/python3", X_OK) == 0, "python3");
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, "/usr/bin/python3"));
	serve_with_asyncio(root, "port.read(65536)");
	serve_with_asyncio(root, "await loop.run_in_executor(pool, port.read, 65536)");
	viso_root_unref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_snapshots_of_snapshots),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_snapshots_of_busy_clones),
		cmocka_unit_test(test_time_stands_still),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_nothing_is_left_behind),
		cmocka_unit_test(test_asyncio),
	};
	return cmocka_run_group_tests_name("guest frozen", tests, fixture_setup, fixture_teardown);
}
