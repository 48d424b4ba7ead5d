/* SPDX-License-Identifier: MIT */
/* Debian's cloud kernel in a computer of ours. It needs a KVM that runs ring 0: here in the rig. */
#include "kernel_support.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "initramfs.h"

/* The file below the directory where the rig has unpacked the kernel. */
static char *kernel_path(const char *pattern)
{
	const char *directory = getenv("VISO_TEST_KERNELS");
	char *path;
	glob_t found;
	assert_non_null(directory);
	assert_true(asprintf(&path, "%s/boot/%s", directory, pattern) > 0);
	assert_int_equal(glob(path, 0, NULL, &found), 0);
	free(path);
	path = strdup(found.gl_pathv[0]);
	globfree(&found);
	return path;
}

static void prepare(struct kernel_fixture *fixture, const char *pattern, const char *script)
{
	need_kernels();
	skip_without(getenv("VISO_TEST_KERNELS"), "a kernel to boot (see tests/rig)");
	char *kernel = kernel_path(pattern), *initramfs;
	assert_true(asprintf(&initramfs, "%s/initramfs", fixture->directory) > 0);
	initramfs_write(initramfs, script);
	assert_ok(viso_guest_set_kernel(fixture->guest, kernel));
	assert_ok(viso_guest_set_initramfs(fixture->guest, initramfs));
	assert_ok(viso_guest_set_command_line(fixture->guest, "console=ttyS0 quiet panic=-1 mitigations=off"));
	free(kernel);
	free(initramfs);
}

static void test_bzimage(void **state)
{
	struct kernel_fixture *fixture = *state;
	prepare(fixture, "vmlinuz-*", "echo hello from $(uname -s); poweroff -f\n");
	viso_result *result = kernel_run(fixture);
	print_message("%s\n", viso_result_output(result, VISO_STDOUT, NULL));
	assert_non_null(strstr(viso_result_output(result, VISO_STDOUT, NULL), "hello from Linux\r\n"));
	assert_switched_off(result, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bzimage, kernel_setup, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
