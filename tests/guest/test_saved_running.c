/* SPDX-License-Identifier: MIT */
/*
 * Saved snapshots of programs that have more than one thread: pipes, sockets, events, timers, processes and memory that
 * they share, here and in other processes; and files of such that are not what was saved.
 */
#include "saved_support.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const programs[] = {"/waiting-static", "/waiting-dynamic"};

static const char *save(struct fixture *fixture, const char *program, const char *how)
{
	const char *path = saved_path(fixture);
	viso_snapshot *snapshot = saved_freeze(initialised(fixture, program, how, 0));
	int r = viso_snapshot_save(snapshot, path);
	if (r < 0)
		print_error("%s: %s\n", how, viso_error_message());
	assert_int_equal(r, 0);
	viso_snapshot_unref(snapshot);
	return path;
}

static viso_snapshot *saved(struct fixture *fixture, const char *program, const char *how)
{
	viso_snapshot *snapshot;
	assert_ok(saved_load(fixture, save(fixture, program, how), &snapshot));
	return snapshot;
}

static void test_another_process(void **state)
{
	static const char *const ways[][2] = {
		{"files", "check_files"}, {"threads", "poke"},      {"elsewhere", "poke"},
		{"family", "ask_family"}, {"alarm", "await_alarm"}, {"pending", "take_pending"},
	};
	struct fixture *fixture = *state;
	need_kvm();
	for (size_t i = 0; i < 2; i++)
		for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
			const char *path = save(fixture, programs[i], ways[way][0]);
			int r = saved_call_there(path, fixture->root_path, ways[way][1]);
			if (r != (way > 3))
				print_error("%s of %s: %d\n", ways[way][1], programs[i], r);
			assert_int_equal(r, way > 3);
		}
}

/* The clones of what was loaded are as those of what was frozen, and so are resets. */
static void test_clones_and_resets(void **state)
{
	need_kvm();
	viso_snapshot *snapshot = saved(*state, "/waiting-static", "files");
	viso_guest *clone = clone_of(snapshot), *other = clone_of(snapshot);
	call(clone, "spoil_files", 0);
	assert_true(__builtin_popcountll(call(clone, "check_files", 0)) > 15);
	assert_int_equal(call(other, "check_files", 0), 0);
	assert_ok(viso_guest_reset(clone));
	assert_int_equal(call(clone, "check_files", 0), 0);
	viso_guest_unref(clone);
	viso_guest_unref(other);
	viso_snapshot_unref(snapshot);
	snapshot = saved(*state, "/waiting-dynamic", "threads");
	for (int i = 0; i < 3; i++) {
		clone = clone_of(snapshot);
		for (int round = 0; round < 2; round++) {
			assert_int_equal(call(clone, "poke", 0), 0);
			assert_int_equal(call(clone, "poke", 0), 0);
			assert_ok(viso_guest_reset(clone));
		}
		assert_true(call(clone, "interrupt_sleep", 0) > 3000000);
		viso_guest_unref(clone);
	}
	viso_snapshot_unref(snapshot);
}

/* What has gone on since is frozen, saved and loaded anew. */
static void test_generations(void **state)
{
	static const char *const ways[][2] = {{"threads", "poke"}, {"elsewhere", "poke"}, {"family", "ask_family"}};
	struct fixture *fixture = *state;
	need_kvm();
	for (size_t way = 0; way < 3; way++) {
		viso_snapshot *snapshot = saved(fixture, programs[way % 2], ways[way][0]);
		for (int i = 0; i < 3; i++) {
			viso_guest *guest = clone_of(snapshot);
			if (way < 2)
				assert_int_equal(call(guest, ways[way][1], 0), 0);
			viso_snapshot_unref(snapshot);
			snapshot = saved_freeze(guest);
			assert_ok(viso_snapshot_save(snapshot, saved_path(fixture)));
			viso_snapshot_unref(snapshot);
			assert_ok(saved_load(fixture, saved_path(fixture), &snapshot));
		}
		viso_guest *guest = clone_of(snapshot);
		assert_int_equal(call(guest, ways[way][1], 0), 0);
		viso_guest_unref(guest);
		viso_snapshot_unref(snapshot);
	}
}

/* Pages that processes have in common are in the file once. */
static void test_size_of_family(void **state)
{
	need_kvm();
	viso_snapshot *frozen = saved_freeze(initialised(*state, "/waiting-static", "family", 0)), *loaded;
	assert_ok(viso_snapshot_save(frozen, saved_path(*state)));
	assert_ok(saved_load(*state, saved_path(*state), &loaded));
	assert_true(viso_snapshot_size(loaded) <= viso_snapshot_size(frozen));
	viso_snapshot_unref(frozen);
	viso_snapshot_unref(loaded);
}

/* While it is in a file no time passes for what was to happen after a while. */
static void test_time_stands_still(void **state)
{
	enum { PAUSE_S = 2, LESS_MS = 1900 };
	struct fixture *fixture = *state;
	need_kvm();
	uint64_t left[4];
	viso_guest *guest = initialised(fixture, "/waiting-static", "timers", 0);
	viso_snapshot *snapshot;
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	for (uint64_t i = 0; i < 4; i++)
		left[i] = call(guest, "time_left", i);
	viso_guest_unref(guest);
	sleep(PAUSE_S);
	assert_ok(viso_snapshot_save(snapshot, saved_path(fixture)));
	viso_snapshot_unref(snapshot);
	sleep(PAUSE_S);
	assert_ok(saved_load(fixture, saved_path(fixture), &snapshot));
	guest = clone_of(snapshot);
	for (uint64_t i = 0; i < 3; i++) {
		assert_true(left[i] > 3000000);
		uint64_t now = call(guest, "time_left", i);
		assert_in_range(now + LESS_MS, left[i], left[i] + 2 * LESS_MS);
	}
	/* But a moment comes when it comes. */
	assert_true(call(guest, "time_left", 3) <= left[3] - 2 * PAUSE_S * 1000);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
}

static int connect_to(const char *address, void *data)
{
	return dup(*(const int *)data);
}

static void test_connections(void **state)
{
	struct fixture *fixture = *state;
	int ends[2];
	need_kvm();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_connect_handler(guest, connect_to, &ends[0], NULL));
	viso_snapshot *snapshot = saved_freeze(initialise(guest, new_command("/waiting-static", "connected", NULL)));
	assert_ok(viso_snapshot_save(snapshot, saved_path(fixture)));
	viso_snapshot_unref(snapshot);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(saved_call_there(saved_path(fixture), fixture->root_path, "connection_state"), 7);
}

static void test_too_many_for_the_guest(void **state)
{
	static const char *const ways[] = {"threads", "family"};
	struct fixture *fixture = *state;
	viso_snapshot *snapshot = NULL;
	need_kvm();
	for (size_t i = 0; i < 2; i++) {
		const char *path = save(fixture, "/waiting-static", ways[i]);
		viso_guest *guest = new_guest(fixture, 0);
		assert_ok(viso_guest_set_processes_max(guest, 2));
		assert_int_equal(viso_snapshot_load(path, guest, &snapshot), -EINVAL);
		assert_non_null(strstr(viso_error_message(), "processes_max"));
		viso_guest_unref(guest);
	}
	const char *path = save(fixture, "/waiting-static", "files");
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_files_max(guest, 10));
	assert_int_equal(viso_snapshot_load(path, guest, &snapshot), -EMFILE);
	viso_guest_unref(guest);
}

static void load_many(struct fixture *fixture, const char *path, const char *symbol, int count)
{
	for (int i = 0; i < count; i++) {
		viso_snapshot *snapshot;
		assert_ok(saved_load(fixture, path, &snapshot));
		viso_guest *clone = clone_of(snapshot);
		assert_int_equal(call(clone, symbol, 0), 0);
		viso_guest_unref(clone);
		viso_snapshot_unref(snapshot);
	}
}

static void test_nothing_is_left_behind(void **state)
{
	static const char *const ways[][2] = {{"files", "check_files"}, {"threads", "poke"}, {"family", "ask_family"}};
	/* Chunks in its cache count as allocated; see meson.build. */
	bool without_cache = getenv("GLIBC_TUNABLES") != NULL;
	need_kvm();
	for (size_t i = 0; i < 3; i++) {
		const char *path = save(*state, "/waiting-static", ways[i][0]);
		load_many(*state, path, ways[i][1], 2);
		int fds = support_count_fds();
		struct mallinfo2 before = mallinfo2();
		load_many(*state, path, ways[i][1], 10);
		struct mallinfo2 after = mallinfo2();
		assert_int_equal(support_count_fds(), fds);
		assert_in_range(after.uordblks, 0, before.uordblks + (without_cache ? 0 : 4096));
	}
}

static const char asyncio_service[] =
	"import asyncio, threading, concurrent.futures, queue, os\n"
	"pool = concurrent.futures.ThreadPoolExecutor(2)\n"
	"left, right = None, None\n"
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
	"    background = asyncio.create_task(asyncio.sleep(3600))\n"
	"    while True:\n"
	"        request = await loop.run_in_executor(pool, port.read, 65536)\n"
	"        port.write(await answer(request))\n"
	"asyncio.run(main())\n";

/* A running loop with a pipe to itself and an epoll, and a pool of threads that wait for each other. */
static void test_asyncio(void **state)
{
	const char *path = saved_path(*state);
	need_kvm();
	skip_without(access("/usr/bin/python3", X_OK) == 0, "python3");
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, "/usr/bin/python3"));
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, root));
	viso_command *command = new_command("/usr/bin/python3", "-c", asyncio_service, NULL);
	viso_snapshot *snapshot = saved_freeze(initialise(guest, command)), *loaded;
	assert_ok(viso_snapshot_save(snapshot, path));
	viso_snapshot_unref(snapshot);
	/* In a root that the other process makes for itself. */
	assert_int_equal(saved_run_other((const char *const[]){"test", "ask", path, "6 * 7", "42", NULL}), 0);
	guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, root));
	assert_ok(viso_snapshot_load(path, guest, &loaded));
	viso_guest_unref(guest);
	for (int i = 0; i < 4; i++) {
		viso_guest *clone = clone_of(loaded);
		assert_answer(clone, "1 + 1", "2");
		assert_answer(clone, "threading.active_count()", "3");
		viso_guest_unref(clone);
	}
	viso_snapshot_unref(loaded);
	viso_root_unref(root);
}

/* Whatever such a file says, it either is refused or makes a guest, which may do nonsense. */
static void use_forged(struct fixture *fixture, const char *path, const char *symbol, int *loaded)
{
	viso_snapshot *snapshot = NULL;
	viso_guest *clone = NULL;
	uint64_t value, argument = 0;
	int r = saved_load(fixture, path, &snapshot);
	if (r < 0) {
		assert_int_equal(viso_error_number(), -r);
		assert_true(r == -EINVAL || r == -ENOEXEC || r == -ESTALE || r == -ENOENT || r == -EACCES ||
			    r == -EMFILE);
		return;
	}
	++*loaded;
	r = viso_snapshot_clone(snapshot, &clone);
	for (int i = 0; r == 0 && i < 2; i++) {
		r = viso_guest_call(clone, symbol, &argument, 1, 100, &value);
		if (r < 0)
			r = viso_guest_reset(clone);
	}
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
}

static void test_forged(void **state)
{
	static const char *const ways[][2] = {{"files", "check_files"}, {"threads", "poke"}, {"family", "ask_family"}};
	enum { FORGERIES = 40 };
	struct fixture *fixture = *state;
	struct stat st;
	int loaded = 0;
	need_kvm();
	srand(1);
	for (size_t way = 0; way < 3; way++) {
		const char *path = save(fixture, "/waiting-static", ways[way][0]);
		assert_int_equal(stat(path, &st), 0);
		size_t size = (size_t)st.st_size;
		uint8_t *good = malloc(size), *file = malloc(size);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(read(fd, good, size), size);
		close(fd);
		uint64_t state_size;
		memcpy(&state_size, good + STATE_SIZE, sizeof(state_size));
		int before = loaded;
		for (int round = 0; round < FORGERIES; round++) {
			memcpy(file, good, size);
			if (round > 0)
				saved_change_some(file + HEAD, state_size);
			saved_write_forged(path, file, size);
			use_forged(fixture, path, ways[way][1], &loaded);
			assert_true(round > 0 || loaded > before);
		}
		free(good);
		free(file);
	}
	/* The forgery is good: some of them were taken. */
	assert_true(loaded > 10);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_process),
		cmocka_unit_test(test_clones_and_resets),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_size_of_family),
		cmocka_unit_test(test_time_stands_still),
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_too_many_for_the_guest),
		cmocka_unit_test(test_nothing_is_left_behind),
		cmocka_unit_test(test_asyncio),
		cmocka_unit_test(test_forged),
	};
	if (argc > 1)
		return saved_be_other(argc, argv);
	return cmocka_run_group_tests_name("guest saved running", tests, fixture_setup, fixture_teardown);
}
