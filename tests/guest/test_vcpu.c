/* SPDX-License-Identifier: MIT */
/* A processor that is given to another program. Looks at the library from the inside. */
#include "support.h"

#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guest/address_space.h"
#include "guest/memory.h"
#include "guest/vm.h"
#include "guest/x86_64/exception.h"
#include "guest/x86_64/vcpu.h"

struct machine {
	struct vm vm;
	struct guest_memory memory;
	struct address_space space;
	struct vcpu vcpu;
};

static void set_up(struct machine *machine)
{
	const struct processor *processor;
	assert_ok(vm_init(&machine->vm, &processor));
	assert_ok(vcpu_prepare(&machine->vm, processor));
	assert_ok(memory_init(&machine->memory, 16 << 20, machine->vm.vm_fd));
	assert_ok(space_init(&machine->space, &machine->memory));
	assert_ok(vcpu_init(&machine->vcpu, &machine->vm, &machine->space.tables, processor));
}

static void tear_down(struct machine *machine)
{
	space_release(&machine->space);
	vm_release(&machine->vm);
	memory_release(&machine->memory);
}

static int injected(const struct machine *machine)
{
	struct kvm_vcpu_events events;
	assert_int_equal(ioctl(machine->vm.vcpu_fd, KVM_GET_VCPU_EVENTS, &events), 0);
	return events.exception.injected || events.exception.pending;
}

/* A program that was stopped on its way into a fault leaves that fault in the processor. */
static void test_a_fault_does_not_outlive_its_program(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	struct machine machine = {0};
	struct vcpu_state saved = {0};
	set_up(&machine);
	assert_ok(vcpu_save(&machine.vcpu, &saved));
	const struct kvm_vcpu_events events = {
		.exception = {.injected = 1, .nr = VECTOR_PAGE, .has_error_code = 1, .error_code = 4}};
	assert_int_equal(ioctl(machine.vm.vcpu_fd, KVM_SET_VCPU_EVENTS, &events), 0);
	machine.vcpu.was_interrupted = true;
	assert_true(injected(&machine));
	assert_false(vcpu_can_switch(&machine.vcpu));
	assert_ok(vcpu_load(&machine.vcpu, &saved, &machine.space.tables));
	assert_false(injected(&machine));
	assert_true(vcpu_can_switch(&machine.vcpu));
	tear_down(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_fault_does_not_outlive_its_program),
	};
	return cmocka_run_group_tests_name("guest vcpu", tests, NULL, NULL);
}
