/* SPDX-License-Identifier: MIT */
/*
 * bench-rig-clone: until the guest tools answer, in a computer that boots ("peer") and in a clone of it ("library"). In
 * the rig, as tests/bench/run has it: each figure is a line, and a case of TAP follows.
 *
 * VISO_TEST_KERNELS names a directory with boot/vmlinuz-VERSION and lib/modules.
 */
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <virtiso.h>

enum { CLONES = 3, MEMORY_MIB = 192 };

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static void finish(int has_failed)
{
	printf("1..1\n%s 1 - clone\n", has_failed ? "not ok" : "ok");
	exit(has_failed);
}

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	printf("# %s: %s\n", what, viso_error_message());
	finish(1);
}

static void figure(const char *row, const char *who, double value)
{
	printf("figure %s %s %.3f\n", row, who, value);
	fflush(stdout);
}

static viso_guest *make_guest(void)
{
	char pattern[PATH_MAX];
	glob_t found;
	viso_guest *guest = viso_guest_new();
	viso_root *root = viso_root_new();
	const char *kernels = getenv("VISO_TEST_KERNELS");
	snprintf(pattern, sizeof(pattern), "%s/boot/vmlinuz-*", kernels ? kernels : "");
	if (glob(pattern, 0, NULL, &found) != 0) {
		printf("# there is no %s\n", pattern);
		finish(1);
	}
	check(viso_root_add_program(root, "/bin/busybox"), "root");
	check(viso_guest_set_root(guest, root), "root");
	check(viso_guest_set_kernel(guest, found.gl_pathv[0]), "kernel");
	check(viso_guest_set_memory_max(guest, (uint64_t)MEMORY_MIB << 20), "memory");
	check(viso_guest_set_command_line(guest, "console=ttyS0 quiet panic=-1 mitigations=off"), "command line");
	viso_root_unref(root);
	globfree(&found);
	return guest;
}

static void start(viso_guest *guest, const char *who)
{
	double begin = now_ms();
	check(viso_sandbox_start(viso_guest_sandbox(guest)), who);
	figure("rig/clone", who, now_ms() - begin);
}

int main(void)
{
	viso_snapshot *snapshot = NULL;
	viso_guest *guest = make_guest();
	start(guest, "peer");
	double begin = now_ms();
	check(viso_guest_snapshot(guest, &snapshot), "snapshot");
	printf("# frozen in %.3f ms: %.1f MiB\n", now_ms() - begin, (double)viso_snapshot_size(snapshot) / (1 << 20));
	for (int i = 0; i < CLONES; i++) {
		viso_guest *clone = NULL;
		check(viso_snapshot_clone(snapshot, &clone), "clone");
		start(clone, "library");
		viso_guest_unref(clone);
	}
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	finish(0);
}
