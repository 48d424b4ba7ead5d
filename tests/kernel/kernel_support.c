/* SPDX-License-Identifier: MIT */
#include "kernel_support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WATCHDOG_SECONDS = 110, TIMEOUT_MS = 100000, RIG_PATIENCE = 4 };

/* In the rig all is emulated, and slower. */
static unsigned patience(void)
{
	return getenv("VISO_RIG") ? RIG_PATIENCE : 1;
}

void need_kvm(void)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
}

void need_kernels(void)
{
	need_kvm();
	skip_without(access("/sys/module/kvm_pvm", F_OK) != 0, "a KVM that runs ring 0 (see tests/rig)");
}

int kernel_setup(void **state)
{
	struct kernel_fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	/* A guest that hangs must not hang the tests: SIGALRM ends them. */
	alarm(patience() * WATCHDOG_SECONDS);
	fixture->directory = support_temporary_directory();
	fixture->guest = viso_guest_new();
	assert_non_null(fixture->guest);
	*state = fixture;
	return 0;
}

int kernel_teardown(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_guest_unref(fixture->guest);
	support_remove_tree(fixture->directory);
	free(fixture->directory);
	free(fixture->image);
	free(fixture);
	alarm(0);
	return 0;
}

char *kernel_write(const struct kernel_fixture *fixture, const char *name, const void *data, size_t size)
{
	char *path;
	assert_true(asprintf(&path, "%s/%s", fixture->directory, name) > 0);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	return path;
}

void kernel_set_code(struct kernel_fixture *fixture, const void *code, size_t size)
{
	free(fixture->image);
	fixture->image = kernel_write(fixture, "code", code, size);
	assert_ok(viso_guest_set_flat_image(fixture->guest, fixture->image, CODE));
}

void kernel_set_multiboot(struct kernel_fixture *fixture, const void *code, size_t size)
{
	enum { MAGIC = 0x1badb002, HAS_ADDRESSES = 0x10000, LOAD = 0x100000 };
	unsigned char image[4096];
	const uint32_t flags = HAS_ADDRESSES | 3;
	const uint32_t header[8] = {MAGIC, flags, -(MAGIC + flags), LOAD, LOAD, 0, 0, MULTIBOOT_CODE};
	assert_true(sizeof(header) + size <= sizeof(image));
	memcpy(image, header, sizeof(header));
	memcpy(image + sizeof(header), code, size);
	free(fixture->image);
	fixture->image = kernel_write(fixture, "multiboot", image, sizeof(header) + size);
	assert_ok(viso_guest_set_kernel(fixture->guest, fixture->image));
}

viso_process *kernel_boot(struct kernel_fixture *fixture, const viso_command *streams)
{
	viso_process *process = NULL;
	viso_command *own = NULL;
	if (!streams) {
		own = viso_command_new("computer");
		assert_non_null(own);
		assert_ok(viso_command_set_stdio(own, VISO_STDIN, VISO_STDIO_NULL));
		assert_ok(viso_command_capture(own, 1 << 20));
		assert_ok(viso_command_set_timeout_ms(own, (uint64_t)patience() * TIMEOUT_MS));
		streams = own;
	}
	assert_ok(viso_guest_boot(fixture->guest, streams, &process));
	viso_command_unref(own);
	return process;
}

viso_process *kernel_boot_with_pipes(struct kernel_fixture *fixture, int *out_to, int *out_from)
{
	viso_command *streams = viso_command_new("computer");
	assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_PIPE));
	assert_ok(viso_command_set_stdio(streams, VISO_STDOUT, VISO_STDIO_PIPE));
	assert_ok(viso_command_set_stdio(streams, VISO_STDERR, VISO_STDIO_PIPE));
	assert_ok(viso_command_set_timeout_ms(streams, (uint64_t)patience() * TIMEOUT_MS));
	viso_process *process = kernel_boot(fixture, streams);
	viso_command_unref(streams);
	assert_ok(*out_to = viso_process_take_stream(process, VISO_STDIN));
	assert_ok(*out_from = viso_process_take_stream(process, VISO_STDOUT));
	return process;
}

viso_result *kernel_wait(viso_process *process)
{
	viso_result *result = NULL;
	assert_ok(viso_process_wait(process, -1, &result));
	viso_process_unref(process);
	return result;
}

viso_result *kernel_run(struct kernel_fixture *fixture)
{
	return kernel_wait(kernel_boot(fixture, NULL));
}

void assert_switched_off(viso_result *result, const char *output)
{
	if (viso_result_reason(result) != VISO_REASON_EXITED)
		fail_msg("%s, after \"%s\"", viso_result_describe(result),
			 viso_result_output(result, VISO_STDOUT, NULL));
	assert_int_equal(viso_result_exit_code(result), 0);
	if (output)
		assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), output);
	viso_result_unref(result);
}

void assert_ended(viso_result *result, viso_reason reason)
{
	if (viso_result_reason(result) != (int)reason)
		fail_msg("%s, after \"%s\"", viso_result_describe(result),
			 viso_result_output(result, VISO_STDOUT, NULL));
	viso_result_unref(result);
}

char *kernel_pc_line(void)
{
	char line[256], *text = NULL;
	double megahertz = 0;
	FILE *file = fopen("/proc/cpuinfo", "re");
	assert_non_null(file);
	while (megahertz == 0 && fgets(line, sizeof(line), file))
		(void)!sscanf(line, "cpu MHz : %lf", &megahertz);
	fclose(file);
	assert_true(asprintf(&text, KERNEL_LINE " console=tty0 tsc=reliable tsc_early_khz=%.0f lpj=4000000",
			     megahertz * 1000) > 0);
	return text;
}
