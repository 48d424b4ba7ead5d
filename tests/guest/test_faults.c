/* SPDX-License-Identifier: MIT */
/* What a program must not do ends it as on Linux. */
#include "guest_support.h"

#include <signal.h>
#include <string.h>

static void test_crashes(void **state)
{
	static const struct {
		const char *probe;
		int signal;
	} cases[] = {
		{"opcode", SIGILL},
		{"breakpoint", SIGTRAP},
		{"divide", SIGFPE},
		{"overflow-stack", SIGSEGV},
		{"write-code", SIGSEGV},
		{"execute-stack", SIGSEGV},
		{"write-after-protect", SIGSEGV},
		{"read-after-unmap", SIGSEGV},
		{"read-after-move", SIGSEGV},
		{"beyond-file", SIGBUS},
		{"non-canonical", SIGSEGV},
		{"single-step", SIGTRAP},
		{"abort", SIGABRT},
	};
	struct fixture *fixture = *state;
	need_kvm();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("# %s\n", cases[i].probe);
		assert_signalled(run(fixture, "/probe", cases[i].probe), cases[i].signal);
	}
}

static void test_privileged_instructions(void **state)
{
	static const char *const probes[] = {"in",          "halt",         "interrupts", "control-register", "msr",
					     "descriptors", "io-privilege", "32-bit",     "kernel-segment"};
	struct fixture *fixture = *state;
	need_kvm();
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		print_message("# %s\n", probes[i]);
		assert_signalled(run(fixture, "/probe", probes[i]), SIGSEGV);
	}
	/* The ports of our own stubs too. */
	assert_signalled(run(fixture, "/probe", "out", "0x10"), SIGSEGV);
	assert_signalled(run(fixture, "/probe", "out", "0x2e"), SIGSEGV);
	assert_signalled(run(fixture, "/probe", "out", "0x80"), SIGSEGV);
}

/* INT n faults on a processor; kvm_pvm takes the instruction itself for unknown. */
static void test_software_interrupt(void **state)
{
	need_kvm();
	viso_result *result = run((struct fixture *)*state, "/probe", "interrupt");
	assert_int_equal(viso_result_reason(result), VISO_REASON_SIGNALLED);
	assert_true(viso_result_signal(result) == SIGSEGV || viso_result_signal(result) == SIGILL);
	viso_result_unref(result);
}

static void test_addresses_that_are_not_the_programs(void **state)
{
	static const char *const addresses[] = {"0",
						"8",
						"0x1000",
						"0x1100",
						"0x1200",
						"0x2000",
						"0x3000",
						"0x3ff8",
						"0x9000",
						"0xffff",
						"0x7ffffffff000",
						"0xffff800000000000",
						"0xffffffff82000000"};
	struct fixture *fixture = *state;
	need_kvm();
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		print_message("# %s\n", addresses[i]);
		assert_signalled(run(fixture, "/probe", "read", addresses[i]), SIGSEGV);
		assert_signalled(run(fixture, "/probe", "write-to", addresses[i]), SIGSEGV);
	}
	/* The trampoline of calls is there to be executed, and may be read. */
	assert_signalled(run(fixture, "/probe", "write-to", "0x4000"), SIGSEGV);
	assert_signalled(run(fixture, "/probe", "jump", "0"), SIGSEGV);
	assert_signalled(run(fixture, "/probe", "jump", "0x2100"), SIGSEGV);
	assert_signalled(run(fixture, "/probe", "jump", "0x1000"), SIGSEGV);
}

/* A jump to the stub can at most make a system call with a wrong return address. */
static void test_jumps_to_the_entry(void **state)
{
	static const char *const back[] = {"0",
					   "0x2000",
					   "0x2002",
					   "0x7ffffffff000",
					   "0x800000000000",
					   "0x9000000000000000",
					   "0xffffffffffffffff"};
	struct fixture *fixture = *state;
	need_kvm();
	for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++) {
		viso_command *command = new_command("/probe", "jump-to-entry", "0x2000", back[i], NULL);
		/* Back to the stub itself it goes round and round. */
		bool is_round = !strcmp(back[i], "0x2000");
		if (is_round)
			assert_ok(viso_command_set_timeout_ms(command, 300));
		viso_result *result = run_in(fixture->guest, command);
		int reason = viso_result_reason(result);
		print_message("# back to %s: %s\n", back[i], viso_result_describe(result));
		if (is_round)
			assert_int_equal(reason, VISO_REASON_TIMED_OUT);
		else
			assert_int_equal(reason, VISO_REASON_SIGNALLED);
		viso_result_unref(result);
	}
	assert_exited(run(fixture, "/probe", "flags"), 5);
}

static void test_signals_to_itself(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_signalled(run(fixture, "/probe", "raise", "15"), SIGTERM);
	assert_signalled(run(fixture, "/probe", "raise", "9"), SIGKILL);
	assert_signalled(run(fixture, "/probe", "raise", "64"), 64);
	assert_exited(run(fixture, "/probe", "raise", "17"), 7);
	assert_exited(run(fixture, "/probe", "ignore", "15"), 7);
}

static void test_the_description_tells_where(void **state)
{
	need_kvm();
	viso_result *result = run((struct fixture *)*state, "/probe", "read", "0x1230");
	assert_non_null(strstr(viso_result_describe(result), "killed by signal 11"));
	assert_non_null(strstr(viso_result_describe(result), "address 0x1230"));
	viso_result_unref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_privileged_instructions),
		cmocka_unit_test(test_software_interrupt),
		cmocka_unit_test(test_addresses_that_are_not_the_programs),
		cmocka_unit_test(test_jumps_to_the_entry),
		cmocka_unit_test(test_signals_to_itself),
		cmocka_unit_test(test_the_description_tells_where),
	};
	return cmocka_run_group_tests_name("guest faults", tests, fixture_setup, fixture_teardown);
}
