/* SPDX-License-Identifier: MIT */
/*
 * calls: a plugin in a guest, whose functions are called as often as you like, each time from the same state. calls.py
 * and calls.lua do the same.
 *
 *   calls [COUNT [PLUGIN]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <virtiso.h>

enum { TIMEOUT_MS = 1000 };

static int fail(void)
{
	fprintf(stderr, "calls: %s\n", viso_error_message());
	return -1;
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A guest in which the plugin has run until it said that it is ready. */
static viso_guest *load(const char *plugin)
{
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new();
	viso_command *command = viso_command_new("/plugin");
	int r = viso_root_add_file(root, plugin, "/plugin");
	if (r == 0)
		r = viso_guest_set_root(guest, root);
	if (r == 0)
		r = viso_guest_set_memory_max(guest, 64u << 20);
	if (r == 0)
		r = viso_command_set_timeout_ms(command, 10000);
	if (r == 0)
		r = viso_guest_initialise(guest, command, NULL);
	viso_command_unref(command);
	viso_root_unref(root);
	if (r == 0)
		return guest;
	fail();
	return viso_guest_unref(guest);
}

/* Bytes go in, bytes come out. */
static int shout(viso_guest *guest)
{
	char answer[64];
	int64_t size = viso_guest_call_bytes(guest, "shout", "hello, plugin", 13, answer, sizeof(answer), TIMEOUT_MS);
	if (size < 0)
		return fail();
	printf("shout: %.*s\n", (int)size, answer);
	return 0;
}

/* After each call nothing of it is left. */
static int call_often(viso_guest *guest, uint64_t count)
{
	double begin = seconds_now();
	for (uint64_t i = 0; i < count; i++) {
		uint64_t sum, calls, numbers[] = {i, i};
		if (viso_guest_call(guest, "add", numbers, 2, TIMEOUT_MS, &sum) < 0 ||
		    viso_guest_call(guest, "count_calls", NULL, 0, TIMEOUT_MS, &calls) < 0 ||
		    viso_guest_reset(guest) < 0)
			return fail();
		if (sum != 2 * i || calls != 1) {
			fprintf(stderr, "calls: %" PRIu64 " after %" PRIu64 " calls\n", sum, calls);
			return -1;
		}
	}
	double seconds = seconds_now() - begin;
	printf("%" PRIu64 " times two calls and a reset: %.1f us each\n", count, seconds / (double)count * 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	char *plugin = realpath(argc > 2 ? argv[2] : "build/examples/guest/plugin", NULL);
	if (!plugin || !count) {
		fprintf(stderr, "usage: calls [COUNT [PLUGIN]]\n");
		free(plugin);
		return 2;
	}
	viso_guest *guest = load(plugin);
	viso_snapshot *snapshot = NULL;
	int r = guest ? shout(guest) : -1;
	if (r == 0 && viso_guest_snapshot(guest, &snapshot) < 0)
		r = fail();
	if (r == 0)
		r = call_often(guest, count);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	free(plugin);
	return r < 0 ? 1 : 0;
}
