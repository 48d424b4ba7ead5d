/* SPDX-License-Identifier: MIT */
/*
 * prewarmed: Python is started once, with its modules; each request is answered in a clone of its own, of which nothing
 * stays. prewarmed.py and prewarmed.lua do the same. With a file Python is started in the first process only, which
 * saves it there for the others.
 *
 *   prewarmed [COUNT [FILE]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <virtiso.h>

/* What runs in the guest. When it first reads from /dev/virtiso, it is ready. */
static const char program[] = "import json, math, re\n"
			      "with open('/dev/virtiso', 'r+b', buffering=0) as port:\n"
			      "    while True:\n"
			      "        port.write(json.dumps(eval(port.read(65536))).encode())\n";

static int fail(void)
{
	fprintf(stderr, "prewarmed: %s\n", viso_error_message());
	return -1;
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Starts Python and freezes it where it waits for its first request. */
static int start(viso_guest *guest, viso_snapshot **out)
{
	viso_command *command = viso_command_new("/usr/bin/python3");
	int r = 0;
	if (viso_command_add_arg(command, "-c") < 0 || viso_command_add_arg(command, program) < 0 ||
	    viso_command_set_timeout_ms(command, 60000) < 0 || viso_guest_initialise(guest, command, NULL) < 0 ||
	    viso_guest_snapshot(guest, out) < 0)
		r = fail();
	viso_command_unref(command);
	return r;
}

/* Takes it from the file, or else makes it anew. NULL after a failure. */
static viso_snapshot *warm_up(const char *file)
{
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new();
	viso_snapshot *snapshot = NULL;
	if (viso_root_add_program(root, "/usr/bin/python3") < 0 || viso_guest_set_root(guest, root) < 0 ||
	    viso_guest_set_memory_max(guest, 256u << 20) < 0)
		fail();
	else if ((!file || viso_snapshot_load(file, guest, &snapshot) < 0) && start(guest, &snapshot) == 0 && file &&
		 viso_snapshot_save(snapshot, file) < 0)
		fail();
	viso_guest_unref(guest);
	viso_root_unref(root);
	return snapshot;
}

static int answer(viso_snapshot *snapshot, const char *request, char *out, size_t out_max)
{
	viso_guest *clone;
	if (viso_snapshot_clone(snapshot, &clone) < 0)
		return fail();
	int64_t size = viso_guest_request(clone, request, strlen(request), out, out_max - 1, 5000);
	if (size < 0)
		fail();
	out[size < 0 ? 0 : size] = '\0';
	viso_guest_unref(clone);
	return size < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 100, r = 0;
	char request[64], text[256] = "";
	viso_snapshot *snapshot = warm_up(argc > 2 ? argv[2] : NULL);
	if (!snapshot)
		return 1;
	double begin = seconds_now();
	for (int i = 0; i < count && r == 0; i++) {
		snprintf(request, sizeof(request), "math.factorial(%d)", i % 20);
		r = answer(snapshot, request, text, sizeof(text));
	}
	if (r == 0)
		printf("%d requests, each in a clone: %.2f ms each; the last is %s\n", count,
		       (seconds_now() - begin) / count * 1e3, text);
	viso_snapshot_unref(snapshot);
	return r < 0 ? 1 : 0;
}
