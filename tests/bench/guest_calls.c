/* SPDX-License-Identifier: MIT */
/*
 * bench-guest-calls call|reset|syscall|clone|clone-anew|python N: what the library takes, N times, each in nanoseconds
 * on a line of its own.
 *
 *   call     a call of a function in a guest, on the average of CALLS
 *   reset    a call that writes to 16 pages, and a reset, on the average of CALLS
 *   syscall  a system call in a guest, on the average of CALLS
 *   clone    a clone of a guest of 64 MiB, and its release
 *   clone-anew  the same without a machine that the snapshot has kept
 *   python   a clone of a warm python3, a request to it, and its release
 *
 * With "contained-" before it the guest is in a container, and each clone in one of its own.
 *
 * VISO_BENCH_CALLED names the program that is called.
 */
#include <stdbool.h>
#include <string.h>
#include <virtiso.h>

#include "bench.h"

enum { CALLS = 200, TIMEOUT_MS = 20000 };

static viso_guest *guest;
static viso_snapshot *snapshot;
static bool is_contained;

static void check(int64_t r)
{
	if (r < 0) {
		fprintf(stderr, "bench-guest-calls: %s\n", viso_error_message());
		exit(1);
	}
}

static void load(viso_root *root, const char *program, const char *argument, const char *script)
{
	viso_command *command = viso_command_new(program);
	guest = viso_guest_new();
	check(viso_guest_set_root(guest, root));
	check(viso_guest_set_memory_max(guest, 64u << 20));
	if (is_contained)
		check(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED));
	if (argument)
		check(viso_command_add_arg(command, argument));
	if (script)
		check(viso_command_add_arg(command, script));
	check(viso_guest_initialise(guest, command, NULL));
	check(viso_guest_snapshot(guest, &snapshot));
	viso_command_unref(command);
}

static void load_called(void)
{
	viso_root *root = viso_root_new();
	const char *path = getenv("VISO_BENCH_CALLED");
	check(viso_root_add_file(root, path ? path : "", "/called"));
	load(root, "/called", NULL, NULL);
	viso_root_unref(root);
}

static void load_python(void)
{
	static const char script[] = "import json\n"
				     "with open('/dev/virtiso', 'r+b', buffering=0) as port:\n"
				     "    while True:\n"
				     "        port.write(json.dumps(port.read(100).decode()).encode())\n";
	viso_root *root = viso_root_new();
	check(viso_root_add_program(root, "/usr/bin/python3"));
	load(root, "/usr/bin/python3", "-c", script);
	viso_root_unref(root);
}

static void call(const char *symbol)
{
	check(viso_guest_call(guest, symbol, NULL, 0, TIMEOUT_MS, NULL));
}

static int64_t measure_calls(void)
{
	int64_t begin = bench_now();
	for (int i = 0; i < CALLS; i++)
		call("nothing");
	return (bench_now() - begin) / CALLS;
}

static int64_t measure_resets(void)
{
	int64_t begin = bench_now();
	for (int i = 0; i < CALLS; i++) {
		call("touch");
		check(viso_guest_reset(guest));
	}
	return (bench_now() - begin) / CALLS;
}

static int64_t measure_syscalls(void)
{
	const uint64_t count = CALLS;
	int64_t begin = bench_now();
	check(viso_guest_call(guest, "ask", &count, 1, TIMEOUT_MS, NULL));
	return (bench_now() - begin) / CALLS;
}

static int64_t measure_clone(void)
{
	viso_guest *clone;
	int64_t begin = bench_now();
	check(viso_snapshot_clone(snapshot, &clone));
	viso_guest_unref(clone);
	return bench_now() - begin;
}

/* One that has been killed is not kept for the next clone. */
static int64_t measure_clone_anew(void)
{
	viso_guest *clone;
	int64_t begin = bench_now();
	check(viso_snapshot_clone(snapshot, &clone));
	check(viso_sandbox_kill(viso_guest_sandbox(clone)));
	viso_guest_unref(clone);
	return bench_now() - begin;
}

static int64_t measure_python(void)
{
	viso_guest *clone;
	char answer[100];
	int64_t begin = bench_now();
	check(viso_snapshot_clone(snapshot, &clone));
	check(viso_guest_request(clone, "6 * 7", 5, answer, sizeof(answer), TIMEOUT_MS));
	viso_guest_unref(clone);
	return bench_now() - begin;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*load)(void);
		int64_t (*measure)(void);
	} modes[] = {
		{"call", load_called, measure_calls},       {"reset", load_called, measure_resets},
		{"syscall", load_called, measure_syscalls}, {"clone", load_called, measure_clone},
		{"python", load_python, measure_python},    {"clone-anew", load_called, measure_clone_anew},
	};
	enum { MODES = sizeof(modes) / sizeof(modes[0]) };
	static const char contained[] = "contained-";
	size_t mode = 0;
	is_contained = argc == 3 && !strncmp(argv[1], contained, sizeof(contained) - 1);
	while (argc == 3 && mode < MODES &&
	       strcmp(modes[mode].name, argv[1] + (is_contained ? sizeof(contained) - 1 : 0)) != 0)
		mode++;
	if (argc != 3 || mode == MODES) {
		fprintf(stderr, "usage: bench-guest-calls [contained-]call|reset|syscall|clone|clone-anew|python N\n");
		return 2;
	}
	int count = bench_count(argv[2]);
	int64_t *ns = calloc((size_t)count, sizeof(*ns));
	modes[mode].load();
	for (int i = 0; ns && i < count; i++)
		ns[i] = modes[mode].measure();
	bench_print(ns, ns ? count : 0);
	free(ns);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	return 0;
}
