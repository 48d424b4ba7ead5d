/* SPDX-License-Identifier: MIT */
/* Signals as programs and interpreters use them. */
#include "guest_support.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MS = 10000 };

static const char *const checks[][2] = {
	{"signal-info", NULL},       {"signal-queue", NULL},   {"signal-stack", NULL},
	{"signal-recover", NULL},    {"signal-repair", NULL},  {"signal-overflow", "x"},
	{"signal-exceptions", NULL}, {"signal-context", NULL}, {"signal-vectors", NULL},
	{"signal-restart", NULL},    {"signal-suspend", NULL}, {"signal-timedwait", NULL},
	{"signal-timers", NULL},     {"signal-threads", NULL}, {"signal-thread-vectors", NULL},
	{"signal-hidden-set", NULL},
};

static const struct {
	const char *probe;
	const char *argument;
	int signal;
} ends[] = {
	{"signal-mask", NULL, SIGUSR1},
	{"signal-pipe", NULL, SIGPIPE},
	{"signal-overflow", NULL, SIGSEGV},
	{"signal-no-restorer", NULL, SIGSEGV},
	{"signal-blocked-fault", NULL, SIGSEGV},
	{"signal-blocked-fault", "ignored", SIGSEGV},
	{"signal-soften", NULL, SIGKILL},
	{"signal-return", "0", SIGSEGV},
	{"signal-return", "8", SIGSEGV},
	{"signal-return", "0x2000", SIGSEGV},
	{"signal-return", "0x7fffffffeff8", SIGSEGV},
	{"signal-return", "0xffffffffffffffff", SIGSEGV},
	{"signal-return", "0xffff800000000000", SIGSEGV},
};

/* "avx" is not on every processor. */
enum { NOT_HERE = 77 };

static void run_checks(viso_guest *guest, const char *program)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		print_message("# %s %s\n", program, checks[i][0]);
		viso_result *result = run_in(guest, new_command(program, checks[i][0], checks[i][1], NULL));
		if (viso_result_exit_code(result) == NOT_HERE)
			viso_result_unref(result);
		else
			assert_exited(result, 0);
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		print_message("# %s %s\n", program, ends[i].probe);
		assert_signalled(run_in(guest, new_command(program, ends[i].probe, ends[i].argument, NULL)),
				 ends[i].signal);
	}
}

static void test_handlers_of_a_static_program(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	run_checks(fixture->guest, "/probe");
}

static void test_handlers_of_a_position_independent_program(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	run_checks(fixture->guest, "/probe-pie");
}

static void test_frames_that_do_not_hold(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	for (int damage = 0; damage < 14; damage++) {
		char number[8];
		if (damage == 12)
			continue;
		snprintf(number, sizeof(number), "%d", damage);
		print_message("# damage %d\n", damage);
		assert_signalled(run(fixture, "/probe", "signal-damage", number), SIGSEGV);
	}
	/* A return to the stub makes a system call, by a frame as by a jump; the machine goes on. */
	viso_result *result = run(fixture, "/probe", "signal-damage", "12");
	assert_int_not_equal(viso_result_reason(result), VISO_REASON_GUEST_FAULT);
	viso_result_unref(result);
	/* Unharmed, the same program goes on. */
	assert_exited(run(fixture, "/probe", "signal-damage", "99"), 99);
}

static void test_an_endless_fault_ends_with_the_time(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_command *command = new_command("/probe", "signal-endless", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 300));
	assert_reason(run_in(fixture->guest, command), VISO_REASON_TIMED_OUT);
}

static void test_the_limits_of_cpu_time(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	/* On a busy host two seconds of CPU time take long. */
	viso_command *command = new_command("/probe", "signal-cpu-limit", "hard", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 60000));
	assert_reason(run_in(fixture->guest, command), VISO_REASON_CPU_TIME);
	command = new_command("/probe", "signal-cpu-limit", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 60000));
	assert_exited(run_in(fixture->guest, command), 0);
}

/* Programs may write a line in pieces. */
static void read_line(int out, char *line, size_t max)
{
	size_t size = 0;
	do {
		struct pollfd fd = {.fd = out, .events = POLLIN};
		assert_int_equal(poll(&fd, 1, ANSWER_MS), 1);
		assert_true(size + 1 < max);
		assert_int_equal(read(out, line + size, 1), 1);
	} while (line[size++] != '\n');
	line[size] = '\0';
}

/* A process whose output is a pipe, whose first line has been read. */
static viso_process *spawn_ready(viso_guest *guest, viso_command *command, int *out_fd)
{
	viso_process *process = NULL;
	char line[64];
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	assert_ok(viso_sandbox_spawn(viso_guest_sandbox(guest), command, &process));
	viso_command_unref(command);
	*out_fd = viso_process_take_stream(process, VISO_STDOUT);
	assert_true(*out_fd >= 0);
	read_line(*out_fd, line, sizeof(line));
	assert_string_equal(line, "ready\n");
	return process;
}

static void test_the_host_terminates(void **state)
{
	struct fixture *fixture = *state;
	int fd;
	viso_result *result;
	need_kvm();
	viso_process *process = spawn_ready(fixture->guest, new_command("/probe", "signal-term", NULL), &fd);
	assert_ok(viso_process_signal(process, SIGWINCH));
	assert_ok(viso_process_signal(process, SIGTERM));
	assert_ok(viso_process_wait(process, ANSWER_MS, &result));
	assert_exited(result, 33);
	viso_process_unref(process);
	close(fd);
}

/* No wake-up is lost: each signal is answered before the next one is sent, wherever it meets the program. */
static void test_many_signals(void **state)
{
	struct fixture *fixture = *state;
	enum { SIGNALS = 500 };
	int out;
	viso_result *result;
	need_kvm();
	viso_command *command = new_command("/probe", "signal-acknowledge", "500", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 60000));
	viso_process *process = spawn_ready(fixture->guest, command, &out);
	for (int i = 0; i < SIGNALS; i++) {
		struct pollfd fd = {.fd = out, .events = POLLIN};
		char byte;
		usleep((useconds_t)(rand() % 1000));
		assert_ok(viso_process_signal(process, SIGUSR1));
		assert_int_equal(poll(&fd, 1, ANSWER_MS), 1);
		assert_int_equal(read(out, &byte, 1), 1);
	}
	assert_ok(viso_process_wait(process, ANSWER_MS, &result));
	assert_exited(result, 0);
	viso_process_unref(process);
	close(out);
}

static viso_guest *guest_with(const char *program)
{
	skip_without(access(program, X_OK) == 0, program);
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_root_add_program(root, program));
	assert_ok(viso_guest_set_root(guest, root));
	viso_root_unref(root);
	return guest;
}

static void test_python_handlers(void **state)
{
	need_kvm();
	viso_guest *guest = guest_with("/usr/bin/python3");
	assert_output(run_in(guest, new_command("python3", "-c",
						"import os, signal, time\n"
						"got = []\n"
						"note = lambda number, frame: got.append(number)\n"
						"signal.signal(signal.SIGUSR1, note)\n"
						"os.kill(os.getpid(), signal.SIGUSR1)\n"
						"signal.signal(signal.SIGALRM, note)\n"
						"signal.setitimer(signal.ITIMER_REAL, 0.02)\n"
						"time.sleep(0.2)\n"
						"try:\n"
						"    signal.raise_signal(signal.SIGINT)\n"
						"except KeyboardInterrupt:\n"
						"    got.append('interrupt')\n"
						"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])\n"
						"os.kill(os.getpid(), signal.SIGUSR2)\n"
						"got.append(signal.sigwait([signal.SIGUSR2]).name)\n"
						"print([str(x) for x in got])",
						NULL)),
		      "['10', '14', 'interrupt', 'SIGUSR2']\n");
	viso_result *result = run_in(guest, new_command("python3", "-X", "faulthandler", "-c",
							"import faulthandler as f; f._sigsegv()", NULL));
	assert_non_null(
		strstr(viso_result_output(result, VISO_STDERR, NULL), "Fatal Python error: Segmentation fault"));
	assert_non_null(strstr(viso_result_output(result, VISO_STDERR, NULL), "File \"<string>\", line 1"));
	assert_signalled(result, SIGSEGV);
	viso_guest_unref(guest);
}

static void test_a_keyboard_interrupt_from_the_host(void **state)
{
	int fd;
	char answer[64];
	viso_result *result;
	need_kvm();
	viso_guest *guest = guest_with("/usr/bin/python3");
	/* Short sleeps: Python does not look for signals between its last look and the call that sleeps. */
	viso_process *process = spawn_ready(guest,
					    new_command("python3", "-uc",
							"import time\n"
							"try:\n"
							"    print('ready')\n"
							"    while True: time.sleep(0.05)\n"
							"except KeyboardInterrupt:\n"
							"    print('interrupted')\n",
							NULL),
					    &fd);
	assert_ok(viso_process_signal(process, SIGINT));
	assert_ok(viso_process_wait(process, ANSWER_MS, &result));
	assert_exited(result, 0);
	read_line(fd, answer, sizeof(answer));
	assert_string_equal(answer, "interrupted\n");
	close(fd);
	viso_process_unref(process);
	viso_guest_unref(guest);
}

static void test_shell_traps(void **state)
{
	need_kvm();
	viso_guest *guest = guest_with("/bin/bash");
	viso_result *result = run_in(guest, new_command("bash", "-c",
							"trap 'echo usr1' USR1; kill -USR1 $$; trap 'echo bye' EXIT; "
							"trap 'echo int; exit 5' INT; kill -INT $$; echo no",
							NULL));
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "usr1\nint\nbye\n");
	assert_exited(result, 5);
	viso_guest_unref(guest);
}

static void test_perl_alarm(void **state)
{
	need_kvm();
	viso_guest *guest = guest_with("/usr/bin/perl");
	assert_output(run_in(guest, new_command("perl", "-e",
						"$SIG{ALRM} = sub { die qq(alarm\\n) }; eval { alarm 1; 1 while 1 }; "
						"print qq(after $@); $SIG{USR1} = sub { print qq(usr1\\n) }; "
						"kill USR1 => $$; print qq(end\\n)",
						NULL)),
		      "after alarm\nusr1\nend\n");
	viso_guest_unref(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handlers_of_a_static_program),
		cmocka_unit_test(test_handlers_of_a_position_independent_program),
		cmocka_unit_test(test_frames_that_do_not_hold),
		cmocka_unit_test(test_an_endless_fault_ends_with_the_time),
		cmocka_unit_test(test_the_limits_of_cpu_time),
		cmocka_unit_test(test_the_host_terminates),
		cmocka_unit_test(test_many_signals),
		cmocka_unit_test(test_python_handlers),
		cmocka_unit_test(test_a_keyboard_interrupt_from_the_host),
		cmocka_unit_test(test_shell_traps),
		cmocka_unit_test(test_perl_alarm),
	};
	return cmocka_run_group_tests_name("guest signals", tests, fixture_setup, fixture_teardown);
}
