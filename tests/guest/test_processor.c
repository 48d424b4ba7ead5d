/* SPDX-License-Identifier: MIT */
/* What a program has of the processor: registers that are its own alone, and no way out of ring 3. */
#include "guest_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define VISO_HYPERCALL_NUMBERS_ONLY
#include <virtiso/hypercall.h>

enum { NO_XSAVE = 77, LEFT = 99 };

static viso_result *run_processor(struct fixture *fixture, const char *what)
{
	viso_result *result = run(fixture, "/probe-processor", what);
	if (viso_result_exit_code(result) == NO_XSAVE) {
		viso_result_unref(result);
		skip_without(false, "XSAVE");
	}
	return result;
}

static void test_registers(void **state)
{
	static const char *const names[] = {"calls", "threads", "processes", "fork", "signals", "exec"};
	need_kvm();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		print_message("# %s\n", names[i]);
		assert_exited(run_processor(*state, names[i]), 0);
	}
}

static void test_registers_of_clones(void **state)
{
	need_kvm();
	viso_result_unref(run_processor(*state, "calls"));
	viso_guest *guest = new_guest(*state, 0), *clone;
	viso_snapshot *snapshot;
	viso_command *command = new_command("/probe-processor", "stay", NULL);
	assert_ok(viso_guest_initialise(guest, command, NULL));
	viso_command_unref(command);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	assert_ok(viso_snapshot_clone(snapshot, &clone));
	for (int round = 0; round < 5; round++) {
		assert_int_equal(call(clone, "is_as_frozen", 0), 1);
		/* The attack is good. */
		call(clone, "leave_marks", LEFT);
		assert_true(call(clone, "find_marks", LEFT) > 8);
		assert_int_equal(call(clone, "is_as_frozen", 0), 0);
		assert_int_equal(call(guest, "find_marks", LEFT), 0);
		assert_ok(viso_guest_reset(clone));
	}
	assert_int_equal(call(clone, "find_marks", LEFT), 0);
	viso_guest *other;
	call(clone, "leave_marks", LEFT);
	assert_ok(viso_snapshot_clone(snapshot, &other));
	assert_int_equal(call(other, "is_as_frozen", 0), 1);
	viso_guest_unref(other);
	viso_guest_unref(clone);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
}

/* None of them ends the guest, whose first process goes on and tells how its children ended. */
static void test_attacks(void **state)
{
	static const char *const names[] = {"instructions", "interrupts", "ports", "far-jumps", "flags"};
	struct fixture *fixture = *state;
	need_kvm();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		print_message("# %s\n", names[i]);
		assert_exited(run_processor(fixture, names[i]), 0);
		assert_exited(run(fixture, "/probe", "exit", "0"), 0);
	}
}

struct leaf {
	unsigned a, b, c, d;
};

static struct leaf leaf(const char *output, unsigned number)
{
	struct leaf leaf;
	unsigned found;
	for (const char *line = output; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (sscanf(line, "%x %x %x %x %x", &found, &leaf.a, &leaf.b, &leaf.c, &leaf.d) == 5 && found == number)
			return leaf;
	fail_msg("no leaf %#x", number);
	return leaf;
}

static void test_features(void **state)
{
	need_kvm();
	viso_result *result = run_processor(*state, "features");
	const char *output = viso_result_output(result, VISO_STDOUT, NULL);
	struct leaf leaf1 = leaf(output, 1), leaf7 = leaf(output, 7), leafd = leaf(output, 0xd);
	struct leaf signature = leaf(output, 0x40000000);
	/* On kvm_pvm the program sees the host's processor as it is: the hypervisor below it, for one. */
	bool is_host_seen = memcmp(&signature.b, VISO_CPUID_SIGNATURE, 4) != 0;
	if (!is_host_seen) {
		assert_int_equal(leaf1.c & (1u << 3 | 1u << 5 | 1u << 21 | 1u << 24), 0); /* MONITOR VMX x2APIC timer */
		assert_int_equal(leaf1.b >> 16, 1);                                       /* one processor of id 0 */
		assert_true(leaf1.c >> 26 & 1 && leaf1.c >> 27 & 1);
		assert_int_equal(leaf7.c & (1u << 3 | 1u << 4 | 1u << 5 | 1u << 7), 0);     /* PKU OSPKE WAITPKG CET */
		assert_int_equal(leaf7.d & (1u << 20 | 1u << 22 | 1u << 24 | 1u << 25), 0); /* IBT AMX */
		assert_int_equal(leafd.a & ~0xe7u, 0);
		assert_int_equal(leafd.b, leafd.c);
		assert_true(leafd.c >= (leafd.a & 4 ? 832 : 576) && leafd.c <= 4096);
		assert_int_equal(leaf(output, 0xb).b, 0);
		assert_int_equal(leaf1.c >> 31, 1);
		assert_memory_equal(&signature.b, VISO_CPUID_SIGNATURE, 12);
		assert_int_equal(signature.a, 0x40000001);
		assert_int_equal(leaf(output, 0x40000001).a, VISO_HYPERCALL_BASE);
		assert_int_equal(leaf(output, 0x40000001).b, 1);
		assert_int_equal(leaf(output, 0x80000001).c & 1u << 2, 0); /* SVM */
		assert_int_equal(leaf(output, 0x8000000a).d, 0);
	}
	viso_result_unref(result);
	skip_without(!is_host_seen, "a KVM that hides the host's processor");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_registers_of_clones),
		cmocka_unit_test(test_attacks),
		cmocka_unit_test(test_features),
	};
	return cmocka_run_group_tests_name("guest processor", tests, fixture_setup, fixture_teardown);
}
