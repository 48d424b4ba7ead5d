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
	assert_ok(viso_guest_set_command_line(fixture->guest, KERNEL_LINE " cryptomgr.notests"));
	free(kernel);
	free(initramfs);
}

/* Runs it, and checks its last words. */
static void assert_says(struct kernel_fixture *fixture, const char *words)
{
	viso_result *result = kernel_run(fixture);
	const char *output = viso_result_output(result, VISO_STDOUT, NULL);
	if (!strstr(output, words))
		fail_msg("no \"%s\" in \"%s\" (%s)", words, output, viso_result_describe(result));
	assert_switched_off(result, NULL);
}

/* Reads until it says that. */
static void await_words(int from, const char *words)
{
	char text[65536] = "";
	size_t length = 0;
	while (!strstr(text, words)) {
		ssize_t n = read(from, text + length, sizeof(text) - 1 - length);
		if (n <= 0)
			fail_msg("no \"%s\" in \"%s\"", words, text);
		length += (size_t)n;
		text[length] = 0;
	}
}

/* By its 64-bit entry; it is talked to, and its power button pressed, of which an interrupt tells. */
static void test_bzimage(void **state)
{
	struct kernel_fixture *fixture = *state;
	int to, from;
	prepare(fixture, "vmlinuz-*",
		"echo hello from $(uname -s)\n"
		"read word; echo got $word\n"
		"until awk '/ACPI:Ged/ { n += $2 } END { exit !n }' /proc/interrupts; do sleep 0.1; done; echo button\n"
		"poweroff -f\n");
	viso_process *process = kernel_boot_with_pipes(fixture, &to, &from);
	await_words(from, "hello from Linux\r\n");
	assert_int_equal(write(to, "secret\n", 7), 7);
	await_words(from, "got secret\r\n");
	assert_ok(viso_guest_press_power_button(fixture->guest));
	await_words(from, "button\r\n");
	assert_switched_off(kernel_wait(process), NULL);
	close(to);
	close(from);
}

/* An unpacked kernel, by its PVH entry; two processors, and what they find. */
static void test_pvh_with_two_processors(void **state)
{
	struct kernel_fixture *fixture = *state;
	prepare(fixture, "vmlinux",
		"echo processors $(grep -c ^processor /proc/cpuinfo)\n"
		"cat /sys/devices/system/clocksource/clocksource0/current_clocksource\n"
		"grep -q hypervisor /proc/cpuinfo && echo told\n"
		"echo done; poweroff -f\n");
	assert_ok(viso_guest_set_processors(fixture->guest, 2));
	assert_says(fixture, "processors 2\r\nkvm-clock\r\ntold\r\ndone\r\n");
}

/* Each has its own memory, and says so; half of them are paused amid it. */
static void test_four_at_once(void **state)
{
	enum { COUNT = 4, MEMORY_MIB = 128 };
	struct kernel_fixture *fixture = *state;
	viso_process *processes[COUNT];
	viso_guest *guests[COUNT];
	/* Four times the work. */
	alarm(400);
	prepare(fixture, "vmlinux", "echo hello from $(tail -c 2 /proc/cmdline)\npoweroff -f\n");
	char *kernel = kernel_path("vmlinux"), *initramfs;
	assert_true(asprintf(&initramfs, "%s/initramfs", fixture->directory) > 0);
	viso_command *streams = viso_command_new("computer");
	assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(streams, 1 << 20));
	for (int i = 0; i < COUNT; i++) {
		char line[128];
		snprintf(line, sizeof(line),
			 "console=ttyS0 quiet panic=-1 mitigations=off noxsave cryptomgr.notests number=%d", i);
		guests[i] = viso_guest_new();
		assert_ok(viso_guest_set_memory_max(guests[i], (uint64_t)MEMORY_MIB << 20));
		assert_ok(viso_guest_set_kernel(guests[i], kernel));
		assert_ok(viso_guest_set_initramfs(guests[i], initramfs));
		assert_ok(viso_guest_set_command_line(guests[i], line));
		assert_ok(viso_guest_boot(guests[i], streams, &processes[i]));
	}
	for (int i = 0; i < COUNT; i += 2) {
		assert_ok(viso_sandbox_pause(viso_guest_sandbox(guests[i])));
		assert_ok(viso_sandbox_resume(viso_guest_sandbox(guests[i])));
	}
	for (int i = 0; i < COUNT; i++) {
		char words[32];
		snprintf(words, sizeof(words), "hello from %d\r\n", i);
		viso_result *result = kernel_wait(processes[i]);
		const char *output = viso_result_output(result, VISO_STDOUT, NULL);
		if (!strstr(output, words))
			fail_msg("no \"%s\" in \"%s\" (%s)", words, output, viso_result_describe(result));
		assert_true(viso_result_usage(result, VISO_USAGE_EXITS_PORT) > 0);
		assert_switched_off(result, NULL);
		viso_guest_unref(guests[i]);
	}
	viso_command_unref(streams);
	free(kernel);
	free(initramfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bzimage, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_pvh_with_two_processors, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_four_at_once, kernel_setup, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
