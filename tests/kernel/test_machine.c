/* SPDX-License-Identifier: MIT */
/* The life of a computer, with programs of a few instructions that run in real mode: kvm_pvm emulates them, slowly. */
#include "kernel_support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_writes_and_switches_off(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	set_code(fixture, PUT('h'), PUT('i'), PUT('\n'), POWER_OFF, HALT);
	assert_switched_off(kernel_run(fixture), "hi\n");
}

static void test_resets(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	const unsigned char by_power[] = {OUT(0x602, 1), HALT}, by_keyboard[] = {OUT(0x64, 0xfe), HALT};
	for (int i = 0; i < 2; i++) {
		kernel_set_code(fixture, i ? by_keyboard : by_power, i ? sizeof(by_keyboard) : sizeof(by_power));
		viso_result *result = kernel_run(fixture);
		assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
		assert_int_equal(viso_result_exit_code(result), 1);
		viso_result_unref(result);
		viso_guest_unref(fixture->guest);
		fixture->guest = viso_guest_new();
	}
}

/* In protected mode, without an interrupt table, an invalid instruction. */
static void test_triple_fault(void **state)
{
	struct kernel_fixture *fixture = *state;
	uint64_t value;
	need_kvm();
	const unsigned char code[] = {0x0f, 0x0b};
	kernel_set_multiboot(fixture, code, sizeof(code));
	viso_result *result = kernel_run(fixture);
	assert_int_equal(viso_result_reason(result), VISO_REASON_GUEST_FAULT);
	assert_int_equal(viso_result_exit_code(result), -1);
	assert_non_null(strstr(viso_result_describe(result), "processor 0"));
	assert_ok(viso_result_register(result, "rip", &value));
	viso_result_unref(result);
}

static void test_time_limits(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	set_code(fixture, PUT('x'), FOR_EVER);
	for (int i = 0; i < 2; i++) {
		viso_command *streams = viso_command_new("computer");
		assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL));
		assert_ok(viso_command_capture(streams, 100));
		assert_ok(i ? viso_command_set_cpu_time_ms(streams, 100) : viso_command_set_timeout_ms(streams, 100));
		viso_result *result = kernel_wait(kernel_boot(fixture, streams));
		viso_command_unref(streams);
		assert_ended(result, i ? VISO_REASON_CPU_TIME : VISO_REASON_TIMED_OUT);
	}
}

/* Halted with interrupts off, it takes no time, and can be killed. */
static void test_killed_while_halted(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	set_code(fixture, HALT);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_int_equal(viso_process_wait(process, 50, NULL), -ETIMEDOUT);
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
}

static void test_closed(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	int fds = support_count_fds();
	set_code(fixture, FOR_EVER);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_ok(viso_sandbox_close(viso_guest_sandbox(fixture->guest)));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	assert_int_equal(support_count_fds(), fds);
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), ESTALE, VISO_STAGE_ARGUMENT, "boot");
}

/* In a loop: wait for a byte, send it back plus one. */
#define ECHO                                                                                                           \
	0xba, 0xfd, 0x03,         /* mov dx, 0x3fd */                                                                  \
		0xec,             /* in al, dx */                                                                      \
		0xa8, 0x01,       /* test al, 1 */                                                                     \
		0x74, 0xfb,       /* jz in */                                                                          \
		0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */                                                                  \
		0xec,             /* in al, dx */                                                                      \
		0xfe, 0xc0,       /* inc al */                                                                         \
		0xee,             /* out dx, al */                                                                     \
		0xeb, 0xef        /* again */

static void test_talks(void **state)
{
	struct kernel_fixture *fixture = *state;
	int to, from;
	char answer[200] = {0}, question[200];
	need_kvm();
	set_code(fixture, ECHO);
	viso_process *process = kernel_boot_with_pipes(fixture, &to, &from);
	/* More than its FIFO takes at once. */
	memset(question, 'a', sizeof(question));
	assert_int_equal(write(to, question, sizeof(question)), sizeof(question));
	for (size_t got = 0; got < sizeof(answer);) {
		ssize_t n = read(from, answer + got, sizeof(answer) - got);
		assert_true(n > 0);
		got += (size_t)n;
	}
	for (size_t i = 0; i < sizeof(answer); i++)
		assert_int_equal(answer[i], 'b');
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	assert_int_equal(read(from, answer, 1), 0);
	close(to);
	close(from);
}

static bool answers(int to, int from, int timeout_ms)
{
	char byte = 'a';
	struct pollfd poll_fd = {.fd = from, .events = POLLIN};
	assert_int_equal(write(to, &byte, 1), 1);
	if (poll(&poll_fd, 1, timeout_ms) == 0)
		return false;
	assert_int_equal(read(from, &byte, 1), 1);
	assert_int_equal(byte, 'b');
	return true;
}

static void test_pause(void **state)
{
	struct kernel_fixture *fixture = *state;
	int to, from;
	char byte;
	need_kvm();
	set_code(fixture, ECHO);
	assert_ok(viso_guest_set_processors(fixture->guest, 3));
	viso_process *process = kernel_boot_with_pipes(fixture, &to, &from);
	viso_sandbox *sandbox = viso_guest_sandbox(fixture->guest);
	assert_true(answers(to, from, -1));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(viso_sandbox_pause(sandbox), 1);
		assert_int_equal(viso_sandbox_pause(sandbox), 1);
		int64_t before = viso_sandbox_usage(sandbox, VISO_USAGE_USER_US);
		assert_false(answers(to, from, 100));
		/* Its processors do nothing at all meanwhile. */
		assert_true(viso_sandbox_usage(sandbox, VISO_USAGE_USER_US) - before < 20000);
		assert_int_equal(viso_sandbox_resume(sandbox), 1);
		assert_int_equal(read(from, &byte, 1), 1);
		assert_true(answers(to, from, -1));
	}
	assert_true(viso_sandbox_usage(sandbox, VISO_USAGE_USER_US) > 0);
	assert_true(viso_process_usage(process, VISO_USAGE_MEMORY) > 0);
	/* A paused one can be killed. */
	assert_int_equal(viso_sandbox_pause(sandbox), 1);
	assert_int_equal(viso_sandbox_kill(sandbox), 1);
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	close(to);
	close(from);
}

static int64_t serial_bytes(viso_guest *guest, viso_traffic figure)
{
	int64_t bytes = viso_guest_traffic(guest, VISO_DEVICE_SERIAL, 0, figure);
	assert_true(bytes >= 0);
	return bytes;
}

/* Each byte that it echoes takes three accesses to ports at least, of which each leaves it. */
static void test_counts(void **state)
{
	enum { BYTES = 5 };
	struct kernel_fixture *fixture = *state;
	int to, from;
	need_kvm();
	set_code(fixture, ECHO);
	viso_process *process = kernel_boot_with_pipes(fixture, &to, &from);
	viso_sandbox *sandbox = viso_guest_sandbox(fixture->guest);
	for (int i = 0; i < BYTES; i++)
		assert_true(answers(to, from, -1));
	assert_int_equal(serial_bytes(fixture->guest, VISO_TRAFFIC_BYTES_TO_GUEST), BYTES);
	assert_int_equal(serial_bytes(fixture->guest, VISO_TRAFFIC_BYTES_FROM_GUEST), BYTES);
	assert_int_equal(serial_bytes(fixture->guest, VISO_TRAFFIC_OPERATIONS_FROM_GUEST), BYTES);
	assert_fails((int)viso_guest_traffic(fixture->guest, VISO_DEVICE_DISK, 0, VISO_TRAFFIC_BYTES_TO_GUEST), ENODEV,
		     VISO_STAGE_GUEST, "traffic");
	assert_fails((int)viso_guest_traffic(fixture->guest, VISO_DEVICE_SERIAL, 1, VISO_TRAFFIC_BYTES_TO_GUEST),
		     ENODEV, VISO_STAGE_GUEST, "traffic");
	int64_t ports = viso_process_usage(process, VISO_USAGE_EXITS_PORT);
	assert_true(ports >= 3 * BYTES);
	assert_int_equal(viso_process_usage(process, VISO_USAGE_EXITS_MEMORY), 0);
	assert_int_equal(viso_sandbox_pause(sandbox), 1);
	assert_true(viso_process_usage(process, VISO_USAGE_EXITS) >= ports);
	/* Where KVM tells. */
	int64_t all = viso_process_usage(process, VISO_USAGE_EXITS_KVM);
	assert_true(all == -ENODATA || all > 0);
	assert_ok(viso_process_kill(process));
	viso_result *result = kernel_wait(process);
	assert_true(viso_result_usage(result, VISO_USAGE_EXITS_PORT) >= ports);
	assert_true(viso_result_usage(result, VISO_USAGE_EXITS_KVM) >= all);
	assert_ended(result, VISO_REASON_KILLED);
	assert_fails((int)viso_guest_traffic(fixture->guest, VISO_DEVICE_SERIAL, 0, VISO_TRAFFIC_BYTES_TO_GUEST), ESRCH,
		     VISO_STAGE_GUEST, "traffic");
	close(to);
	close(from);
}

/* Nobody reads what it writes without end: it is held back, then goes on, and can be ended; and what it wrote is there.
 */
static void test_console_that_nobody_reads(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_command *streams = viso_command_new("computer");
	int ends[2];
	need_kvm();
	set_code(fixture, 0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */
		 0xbd, 0x03, 0x00,          /* mov bp, 3: 24 KiB */
		 0xb9, 0x00, 0x20,          /* mov cx, 0x2000 */
		 0x31, 0xf6,                /* xor si, si */
		 0xf3, 0x6e,                /* rep outsb */
		 0x4d, 0x75, 0xf6,          /* dec bp; jnz */
		 POWER_OFF, HALT);
	/* Its size can only be set as long as nothing is in it. */
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_in_range(fcntl(ends[0], F_SETPIPE_SZ, 4096), 4096, 16 << 10);
	assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_set_stdio_fd(streams, VISO_STDOUT, ends[1]));
	close(ends[1]);
	viso_process *process = kernel_boot(fixture, streams);
	viso_command_unref(streams);
	assert_ok(viso_process_wait(process, -1, NULL));
	char data[4096];
	size_t all = 0;
	ssize_t n;
	while ((n = read(ends[0], data, sizeof(data))) > 0)
		all += (size_t)n;
	/* What the pipe took; the rest had nobody. */
	assert_true(all > 0 && all < 24u << 10);
	assert_switched_off(kernel_wait(process), NULL);
	close(ends[0]);
}

static void test_output_is_cut(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	set_code(fixture, PUT('a'), PUT('b'), PUT('c'), PUT('d'), POWER_OFF, HALT);
	viso_command *streams = viso_command_new("computer");
	assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(streams, 3));
	viso_result *result = kernel_wait(kernel_boot(fixture, streams));
	viso_command_unref(streams);
	assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT), 1);
	assert_switched_off(result, "abc");
}

static void test_one_at_a_time(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_process *other = NULL;
	viso_command *command = viso_command_new("/bin/true");
	need_kvm();
	set_code(fixture, FOR_EVER);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_fails(viso_guest_boot(fixture->guest, NULL, &other), EBUSY, VISO_STAGE_GUEST, "boot");
	assert_fails(viso_guest_set_processors(fixture->guest, 2), EBUSY, VISO_STAGE_ARGUMENT, "processors");
	assert_fails(viso_process_signal(process, SIGTERM), EOPNOTSUPP, VISO_STAGE_PROCESS, "signal");
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	/* And again, once it has ended. */
	process = kernel_boot(fixture, NULL);
	viso_process_unref(process);
	viso_command_unref(command);
}

static void test_many_at_once(void **state)
{
	enum { MANY = 40 };
	struct kernel_fixture *fixture = *state;
	viso_guest *guests[MANY];
	viso_process *processes[MANY];
	need_kvm();
	int fds = support_count_fds();
	set_code(fixture, PUT('m'), POWER_OFF, HALT);
	for (int i = 0; i < MANY; i++) {
		guests[i] = viso_guest_new();
		assert_ok(viso_guest_set_flat_image(guests[i], fixture->image, CODE));
		assert_ok(viso_guest_boot(guests[i], NULL, &processes[i]));
	}
	for (int i = 0; i < MANY; i++) {
		assert_switched_off(kernel_wait(processes[i]), "m");
		viso_guest_unref(guests[i]);
	}
	assert_int_equal(support_count_fds(), fds);
}

/* The host program's signals do not reach its processors, nor are they lost. */
static volatile sig_atomic_t caught;

static void count_signal(int signal)
{
	caught++;
}

static void test_signals_of_the_host(void **state)
{
	struct kernel_fixture *fixture = *state;
	const struct sigaction action = {.sa_handler = count_signal};
	struct sigaction old;
	need_kvm();
	set_code(fixture, FOR_EVER);
	assert_int_equal(sigaction(SIGURG, &action, &old), 0);
	viso_process *process = kernel_boot(fixture, NULL);
	for (int i = 0; i < 20; i++) {
		int before = caught;
		kill(getpid(), SIGURG);
		while (caught == before)
			usleep(1000);
		assert_int_equal(viso_process_wait(process, 1, NULL), -ETIMEDOUT);
	}
	assert_int_equal(caught, 20);
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	assert_int_equal(sigaction(SIGURG, &old, NULL), 0);
}

static void test_fork(void **state)
{
	struct kernel_fixture *fixture = *state;
	int to, from, status;
	need_kvm();
	set_code(fixture, ECHO);
	viso_process *process = kernel_boot_with_pipes(fixture, &to, &from);
	assert_true(answers(to, from, -1));
	pid_t child = fork();
	if (child == 0) {
		int r = viso_process_kill(process);
		viso_process_unref(process);
		viso_guest_unref(fixture->guest);
		_exit(r == -ECHILD ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(answers(to, from, -1));
	viso_process_unref(process);
	close(to);
	close(from);
}

static void test_bad_arguments(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_guest *guest = fixture->guest;
	viso_process *process = NULL;
	char text[5000];
	assert_fails(viso_guest_boot(guest, NULL, &process), EINVAL, VISO_STAGE_ARGUMENT, "boot");
	assert_fails(viso_guest_set_kernel(guest, NULL), EINVAL, VISO_STAGE_ARGUMENT, "kernel");
	assert_fails(viso_guest_set_kernel(guest, "/nowhere"), ENOENT, VISO_STAGE_ARGUMENT, "/nowhere");
	assert_fails(viso_guest_set_kernel(guest, "/"), EISDIR, VISO_STAGE_ARGUMENT, "/");
	assert_fails(viso_guest_set_initramfs(guest, "/dev/null/x"), ENOTDIR, VISO_STAGE_ARGUMENT, "/dev/null/x");
	assert_fails(viso_guest_set_flat_image(guest, "/bin/sh", 0x4ff), EINVAL, VISO_STAGE_ARGUMENT, "flat");
	assert_fails(viso_guest_set_flat_image(guest, "/bin/sh", 0xa0000), EINVAL, VISO_STAGE_ARGUMENT, "flat");
	assert_fails(viso_guest_set_processors(guest, 0), EINVAL, VISO_STAGE_ARGUMENT, "processors");
	assert_fails(viso_guest_set_processors(guest, 65), EINVAL, VISO_STAGE_ARGUMENT, "processors");
	assert_fails(viso_guest_set_platform(guest, (viso_platform)2), EINVAL, VISO_STAGE_ARGUMENT, "platform");
	assert_fails(viso_guest_set_command_line(guest, NULL), EINVAL, VISO_STAGE_ARGUMENT, "command_line");
	memset(text, 'x', sizeof(text));
	text[4096] = 0;
	assert_fails(viso_guest_set_command_line(guest, text), EINVAL, VISO_STAGE_ARGUMENT, "command_line");
	text[4095] = 0;
	assert_ok(viso_guest_set_command_line(guest, text));
	assert_fails(viso_guest_boot(guest, NULL, &process), EINVAL, VISO_STAGE_ARGUMENT, "boot");
	assert_ok(viso_guest_set_firmware(guest, "/bin/sh"));
	assert_fails(viso_guest_boot(guest, NULL, &process), EOPNOTSUPP, VISO_STAGE_GUEST, "boot");
	assert_fails(viso_guest_boot(NULL, NULL, &process), EINVAL, VISO_STAGE_ARGUMENT, "boot");
	assert_fails(viso_guest_boot(guest, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "boot");
	assert_null(process);
}

/* What can never be booted, and what does not fit: an error, and nothing left behind. */
static void test_refused_at_boot(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_process *process = NULL;
	need_kvm();
	int fds = support_count_fds();
	char *big = kernel_write(fixture, "big", "", 0), *text = kernel_write(fixture, "text", "no kernel\n", 10);
	assert_int_equal(truncate(big, 1 << 20), 0);
	assert_ok(viso_guest_set_flat_image(fixture->guest, big, CODE));
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), ENOSPC, VISO_STAGE_GUEST, "big");
	viso_guest_unref(fixture->guest);
	fixture->guest = viso_guest_new();
	assert_ok(viso_guest_set_kernel(fixture->guest, text));
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), ENOEXEC, VISO_STAGE_GUEST, "text");
	assert_int_equal(unlink(text), 0);
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), ENOENT, VISO_STAGE_GUEST, "text");
	assert_int_equal(support_count_fds(), fds);
	free(big);
	free(text);
}

static void test_memory_that_the_host_has_not(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_process *process = NULL;
	need_kvm();
	set_code(fixture, HALT);
	assert_ok(viso_guest_set_memory_max(fixture->guest, 1ull << 41));
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), EINVAL, VISO_STAGE_GUEST, "memory");
}

/* Nothing of it is taken before it is touched; a part of it lies beyond 4 GiB. */
static void test_much_memory(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	set_code(fixture, PUT('m'), POWER_OFF, HALT);
	assert_ok(viso_guest_set_memory_max(fixture->guest, 9ull << 30));
	viso_result *result = kernel_run(fixture);
	assert_true(viso_result_usage(result, VISO_USAGE_MEMORY_PEAK) < 64 << 20);
	assert_switched_off(result, "m");
}

static void test_is_no_program_guest(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_command *command = viso_command_new("/bin/true");
	viso_root *root = viso_root_new();
	set_code(fixture, HALT);
	assert_ok(viso_root_use_directory(root, "/"));
	assert_ok(viso_guest_set_root(fixture->guest, root));
	assert_fails(viso_sandbox_run(viso_guest_sandbox(fixture->guest), command, NULL), EOPNOTSUPP, VISO_STAGE_GUEST,
		     "agent");
	assert_fails(viso_guest_initialise(fixture->guest, command, NULL), EOPNOTSUPP, VISO_STAGE_GUEST, "initialise");
	viso_root_unref(root);
	viso_command_unref(command);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kernel_setup, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_writes_and_switches_off),
		TEST(test_resets),
		TEST(test_triple_fault),
		TEST(test_time_limits),
		TEST(test_killed_while_halted),
		TEST(test_closed),
		TEST(test_talks),
		TEST(test_pause),
		TEST(test_counts),
		TEST(test_console_that_nobody_reads),
		TEST(test_output_is_cut),
		TEST(test_one_at_a_time),
		TEST(test_many_at_once),
		TEST(test_signals_of_the_host),
		TEST(test_fork),
		TEST(test_bad_arguments),
		TEST(test_refused_at_boot),
		TEST(test_memory_that_the_host_has_not),
		TEST(test_much_memory),
		TEST(test_is_no_program_guest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
