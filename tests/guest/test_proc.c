/* SPDX-License-Identifier: MIT */
/* /proc, /dev and /sys of a guest: what programs look for is there, and none of it is the host's. */
#include "guest_support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void need_busybox(void)
{
	need_kvm();
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox (Debian package busybox-static)");
}

static void test_files_of_proc(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	assert_output(run(fixture, "busybox", "cat", "/proc/self/comm"), "busybox\n");
	assert_output(run(fixture, "busybox", "readlink", "/proc/self/exe"), "/bin/busybox\n");
	assert_output(run(fixture, "busybox", "readlink", "/proc/self/cwd"), "/\n");
	assert_output(run(fixture, "busybox", "readlink", "/proc/self/root"), "/\n");
	assert_output(run(fixture, "busybox", "readlink", "/proc/thread-self"), "2/task/2\n");
	assert_output(run(fixture, "busybox", "tr", "\\0", "/", "/dev/null"), "");
	assert_output(run(fixture, "busybox", "grep", "-c", "stack", "/proc/self/maps"), "1\n");
	assert_output(run(fixture, "busybox", "cat", "/proc/sys/kernel/osrelease"), "6.1.0-virtiso\n");
	assert_output(run(fixture, "busybox", "cat", "/sys/devices/system/cpu/online"), "0\n");
	assert_output(run(fixture, "busybox", "readlink", "/dev/fd"), "/proc/self/fd\n");
	assert_output(run(fixture, "busybox", "sh", "-c", "exec 5</fruit; read -r x </proc/self/fd/5; echo $x"),
		      "pear\n");
	static const char *const files[] = {"/proc/meminfo",
					    "/proc/cpuinfo",
					    "/proc/stat",
					    "/proc/uptime",
					    "/proc/loadavg",
					    "/proc/version",
					    "/proc/filesystems",
					    "/proc/mounts",
					    "/proc/2/stat",
					    "/proc/self/status",
					    "/proc/self/limits",
					    "/proc/self/statm",
					    "/proc/sys/kernel/random/boot_id",
					    "/proc/self/mountinfo",
					    "/proc/self/auxv",
					    "/proc/self/fdinfo/0"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		viso_result *result = run(fixture, "busybox", "cat", files[i]);
		size_t size;
		viso_result_output(result, VISO_STDOUT, &size);
		assert_true(size > 0);
		assert_exited(result, 0);
	}
	assert_exited(run(fixture, "busybox", "find", "/proc", "/sys", "/dev"), 0);
	assert_exited(run(fixture, "busybox", "ls", "-laR", "/proc", "/sys", "/dev"), 0);
}

/* What is in it comes from the guest's own memory and nowhere else. */
static void test_nothing_of_the_host(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	setenv("SECRET_OF_THE_HOST", "secret-of-the-host", 1);
	viso_command *command = new_command("busybox", "cat", "/proc/self/environ", "/proc/self/cmdline",
					    "/proc/self/maps", "/proc/self/mountinfo", "/proc/mounts", "/proc/cpuinfo",
					    "/proc/version", "/proc/sys/kernel/hostname", NULL);
	assert_ok(viso_command_clear_env(command));
	assert_ok(viso_command_set_env(command, "OWN", "value"));
	viso_result *result = run_in(fixture->guest, command);
	size_t size;
	const char *output = viso_result_output(result, VISO_STDOUT, &size);
	assert_memory_equal(output, "OWN=value", 10);
	static const char *const secrets[] = {"SECRET_OF_THE_HOST", "libvirtiso", "test-guest", "/work/", "ext4"};
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		assert_null(memmem(output, size, secrets[i], strlen(secrets[i])));
	assert_exited(result, 0);
	static const char *const absent[] = {
		"/proc/1/environ", "/proc/self/mem", "/proc/kcore", "/proc/kmsg", "/proc/sysrq-trigger",
		"/sys/kernel",     "/dev/kvm",       "/dev/mem",    "/dev/sda"};
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		assert_exited(run(fixture, "busybox", "test", "-e", absent[i]), 1);
	/* No terminal. */
	assert_exited(run(fixture, "busybox", "cat", "/dev/tty"), 1);
	assert_exited(run(fixture, "busybox", "sh", "-c", "echo x >/proc/self/comm"), 1);
	assert_exited(run(fixture, "busybox", "sh", "-c", "echo x >/dev/new"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_of_proc),
		cmocka_unit_test(test_nothing_of_the_host),
	};
	return cmocka_run_group_tests_name("guest proc", tests, fixture_setup, fixture_teardown);
}
