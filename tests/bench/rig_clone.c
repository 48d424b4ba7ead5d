/* SPDX-License-Identifier: MIT */
/*
 * bench-rig-clone: until the guest tools answer, in a computer that boots ("peer") and in clones of it ("library"). In
 * the rig.
 *
 * VISO_TEST_KERNELS names a directory with boot/vmlinuz-VERSION and lib/modules.
 */
#include <glob.h>
#include <limits.h>
#include <virtiso.h>

#include "bench.h"
#include "rig_figures.h"

enum { CLONES = 3, MEMORY_MIB = 192 };

static void finish(int has_failed)
{
	exit(rig_finish("clone", has_failed));
}

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	printf("# %s: %s\n", what, viso_error_message());
	finish(1);
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
	int64_t begin = bench_now();
	check(viso_sandbox_start(viso_guest_sandbox(guest)), who);
	rig_figure("rig/clone", who, (double)(bench_now() - begin) / 1e6);
}

int main(void)
{
	viso_snapshot *snapshot = NULL;
	viso_guest *guest = make_guest();
	start(guest, "peer");
	int64_t begin = bench_now();
	check(viso_guest_snapshot(guest, &snapshot), "snapshot");
	printf("# frozen in %.3f ms: %.1f MiB\n", (double)(bench_now() - begin) / 1e6,
	       (double)viso_snapshot_size(snapshot) / (1 << 20));
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
