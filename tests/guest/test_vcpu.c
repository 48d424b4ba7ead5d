/* SPDX-License-Identifier: MIT */
/*
 * A processor that is given to another program, and its returns from system calls. Looks at the library from the
 * inside.
 */
#include "support.h"

#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define VISO_HYPERCALL_NUMBERS_ONLY
#include <virtiso/hypercall.h>

#include "guest/memory/address_space.h"
#include "guest/memory/fault.h"
#include "guest/memory/memory.h"
#include "guest/vm/vm.h"
#include "guest/x86_64/exception.h"
#include "guest/x86_64/system.h"
#include "guest/x86_64/vcpu.h"
#include "guest/x86_64/xstate.h"

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

enum { CODE = 0x100000, AFTER_CALL = CODE + 2, LOOP = CODE + 4, OTHER_CALL = CODE + 0x100 };

#define FLAGS 0x202ull
#define FLAG_TF 0x100ull
#define FLAG_DF 0x400ull
#define FLAG_AC 0x40000ull
#define FLAGS_ARITHMETIC 0x8d5ull

/* syscall; syscall; and a jump to itself. Elsewhere once more: syscall. */
static void load_program(struct machine *machine)
{
	static const uint8_t code[] = {0x0f, 0x05, 0x0f, 0x05, 0xeb, 0xfe};
	const struct area area = {.start = CODE, .end = CODE + GUEST_PAGE, .protection = PROT_READ | PROT_EXEC};
	assert_ok(space_map(&machine->space, &area));
	assert_ok(space_fault(&machine->space, CODE, PROT_EXEC));
	uint8_t *page = memory_page(&machine->memory, paging_page(*paging_entry(&machine->space.tables, CODE, false)));
	memcpy(page, code, sizeof(code));
	memcpy(page + OTHER_CALL - CODE, code, 2);
	vcpu_set_start(&machine->vcpu, CODE, 0x7654321);
}

/* Lets the program make its next system call. */
static void run_to_call(struct machine *machine, uint64_t after)
{
	struct vcpu_exit exit;
	vcpu_run(&machine->vcpu, &exit);
	assert_int_equal(exit.event, VCPU_SYSCALL);
	assert_int_equal(machine->vcpu.regs->rip, after);
}

#define skip_without_sysret(machine)                                                                                   \
	do {                                                                                                           \
		if (!(machine).vcpu.can_sysret)                                                                        \
			tear_down(&(machine));                                                                         \
		skip_without((machine).vm.run, "a processor whose ring 0 is real");                                    \
	} while (0)

static void start(struct machine *machine)
{
	set_up(machine);
	load_program(machine);
	run_to_call(machine, AFTER_CALL);
}

/* What a call finds of registers that it has been entered with. */
static struct kvm_regs registers_after_return(struct machine *machine, bool by_sysret, uint64_t flags)
{
	struct kvm_regs *regs = machine->vcpu.regs;
	*regs = (struct kvm_regs){.rax = 1,
				  .rbx = 2,
				  .rcx = AFTER_CALL,
				  .rdx = 4,
				  .rsi = 5,
				  .rdi = 6,
				  .rsp = 7,
				  .rbp = 8,
				  .r8 = 9,
				  .r9 = 10,
				  .r10 = 11,
				  .r11 = flags,
				  .r12 = 13,
				  .r13 = 14,
				  .r14 = 15,
				  .r15 = UINT64_MAX,
				  .rip = AFTER_CALL,
				  .rflags = flags};
	machine->vcpu.lacks_sysret = !by_sysret;
	run_to_call(machine, LOOP);
	assert_int_equal(machine->vcpu.in_sysret, by_sysret);
	return *regs;
}

static void test_sysret_returns_as_the_host_does(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	static const uint64_t flags[] = {FLAGS, FLAGS | FLAGS_ARITHMETIC, FLAGS | FLAG_DF, FLAGS | FLAG_AC};
	struct machine machine = {0};
	start(&machine);
	skip_without_sysret(machine);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct kvm_regs sysret = registers_after_return(&machine, true, flags[i]);
		struct kvm_regs host = registers_after_return(&machine, false, flags[i]);
		assert_memory_equal(&sysret, &host, sizeof(host));
		assert_int_equal(host.rflags, flags[i]);
		assert_int_equal(host.r15, UINT64_MAX);
		assert_true(machine.vcpu.can_sysret);
	}
	tear_down(&machine);
}

/* The program is where its call led back to, so that it can be given a signal or put away. */
static void test_a_return_that_is_interrupted_is_taken_back(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	struct machine machine = {0};
	struct vcpu_exit exit;
	start(&machine);
	skip_without_sysret(machine);
	vcpu_set_result(&machine.vcpu, 77);
	const struct kvm_regs before = *machine.vcpu.regs;
	machine.vm.run->immediate_exit = 1;
	for (int i = 0; i < 2; i++) {
		vcpu_run(&machine.vcpu, &exit);
		assert_int_equal(exit.event, VCPU_INTERRUPTED);
		assert_true(machine.vcpu.in_sysret);
		assert_true(vcpu_can_switch(&machine.vcpu));
		assert_memory_equal(machine.vcpu.regs, &before, sizeof(before));
	}
	machine.vm.run->immediate_exit = 0;
	run_to_call(&machine, LOOP);
	assert_true(machine.vcpu.in_sysret);
	assert_int_equal(machine.vcpu.regs->rax, 77);
	tear_down(&machine);
}

static void change_rip(struct vcpu *vcpu)
{
	vcpu->regs->rip = OTHER_CALL;
}

static void change_rcx(struct vcpu *vcpu)
{
	vcpu->regs->rcx = 1ull << 63;
}

static void change_flags(struct vcpu *vcpu)
{
	vcpu->regs->rflags ^= FLAG_DF;
}

static void give_iopl(struct vcpu *vcpu)
{
	vcpu->regs->rflags |= 0x3000;
	vcpu->regs->r11 = vcpu->regs->rflags;
}

static void change_base(struct vcpu *vcpu)
{
	vcpu_set_base(vcpu, false, 0x123000);
}

/* What SYSRET would not give the program exactly, or only at a risk, is left to the host. */
static void test_other_returns_are_the_hosts(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	static void (*const changes[])(struct vcpu *) = {change_rip, change_rcx, change_flags, give_iopl, change_base};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct machine machine = {0};
		start(&machine);
		skip_without_sysret(machine);
		changes[i](&machine.vcpu);
		uint64_t flags = machine.vcpu.regs->rflags & ~0x3000ull;
		run_to_call(&machine, changes[i] == change_rip ? OTHER_CALL + 2 : LOOP);
		assert_false(machine.vcpu.in_sysret);
		assert_int_equal(machine.vcpu.regs->rflags, flags);
		assert_int_equal(vcpu_base(&machine.vcpu, false), changes[i] == change_base ? 0x123000 : 0);
		tear_down(&machine);
	}
}

/* Ring 0 would fault there on some processors, with the program's stack (CVE-2012-0217). */
static void test_a_return_to_no_address_is_a_fault_of_the_program(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	struct machine machine = {0};
	struct vcpu_exit exit;
	start(&machine);
	skip_without_sysret(machine);
	machine.vcpu.regs->rcx = machine.vcpu.regs->rip = 1ull << 47;
	vcpu_run(&machine.vcpu, &exit);
	assert_int_equal(exit.event, VCPU_EXCEPTION);
	assert_int_equal(exit.vector, VECTOR_PROTECTION);
	assert_false(machine.vcpu.in_sysret);
	tear_down(&machine);
}

/* A step is taken after one instruction of the program, as ever. */
static void test_a_program_that_steps_itself_is_returned_to_by_the_host(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	struct machine machine = {0};
	struct vcpu_exit exit;
	start(&machine);
	skip_without_sysret(machine);
	machine.vcpu.regs->rcx = machine.vcpu.regs->rip = LOOP;
	machine.vcpu.regs->rflags |= FLAG_TF;
	machine.vcpu.regs->r11 = machine.vcpu.regs->rflags;
	vcpu_run(&machine.vcpu, &exit);
	assert_false(machine.vcpu.in_sysret);
	assert_int_equal(exit.event, VCPU_EXCEPTION);
	assert_int_equal(exit.vector, VECTOR_DEBUG);
	tear_down(&machine);
}

static void nothing(int signal)
{
}

/* KVM can no longer execute the stub; the page is put where the VM has no memory, from which it cannot even read it. */
static void test_without_sysret_the_host_returns(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	struct machine machine = {0};
	struct vcpu_exit exit;
	const struct sigaction action = {.sa_handler = nothing};
	const struct itimerval soon = {.it_value.tv_usec = 50000, .it_interval.tv_usec = 50000}, never = {0};
	start(&machine);
	skip_without_sysret(machine);
	uint64_t *entry = paging_entry(&machine.space.tables, SYSTEM_STUBS, false);
	uint64_t page = paging_page(*entry);
	*entry += machine.memory.size + GUEST_PAGE - page;
	memory_remap(&machine.memory, page, 1);
	machine.vcpu.regs->rcx = machine.vcpu.regs->rip = LOOP;
	/* There it stays, for any exception would need the page. */
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	do
		vcpu_run(&machine.vcpu, &exit);
	while (exit.event == VCPU_INTERRUPTED && !machine.vcpu.was_interrupted);
	setitimer(ITIMER_REAL, &never, NULL);
	assert_string_equal(exit.detail, "");
	assert_int_equal(exit.event, VCPU_INTERRUPTED);
	assert_true(machine.vcpu.lacks_sysret);
	assert_true(vcpu_can_switch(&machine.vcpu));
	assert_int_equal(machine.vcpu.regs->rip, LOOP);
	tear_down(&machine);
}

enum { FUNCTION = CODE + 0x200, STACK_END = CODE + 2 * GUEST_PAGE, XMM0 = 160 };

/* movq %xmm0, %rax; add %rdx, %rax; ret. */
static void load_function(struct machine *machine)
{
	static const uint8_t code[] = {0x66, 0x48, 0x0f, 0x7e, 0xc0, 0x48, 0x01, 0xd0, 0xc3};
	struct address_space *space = &machine->space;
	const struct area stack = {.start = CODE + GUEST_PAGE, .end = STACK_END, .protection = PROT_READ | PROT_WRITE};
	load_program(machine);
	assert_ok(space_map(space, &stack));
	assert_ok(space_fault(space, stack.start, PROT_WRITE));
	memcpy(memory_page(&machine->memory, paging_page(*paging_entry(&space->tables, CODE, false))) + FUNCTION - CODE,
	       code, sizeof(code));
}

static uint8_t *trampoline(struct machine *machine)
{
	return memory_page(&machine->memory,
			   paging_page(*paging_entry(&machine->space.tables, SYSTEM_TRAMPOLINE, false)));
}

/* A snapshot's state, with XMM0; it is gone back to, and a function is called with a third argument. */
static void go_back_and_call(struct machine *machine, struct vcpu_state *state, uint64_t xmm, uint64_t argument)
{
	uint8_t *bytes = (uint8_t *)&state->xsave;
	const uint64_t args[6] = {0, 0, argument};
	assert_ok(vcpu_save(&machine->vcpu, state));
	memcpy(bytes + XMM0, &xmm, sizeof(xmm));
	bytes[XSTATE_HEADER] |= XSTATE_FP_SSE;
	xstate_put(&state->xsave, machine->vcpu.processor, trampoline(machine));
	assert_ok(vcpu_rewind(&machine->vcpu, state, &machine->space.tables));
	vcpu_set_call(&machine->vcpu, FUNCTION, STACK_END - 16, args);
}

static void assert_returns(struct machine *machine, uint64_t value)
{
	struct vcpu_exit exit;
	vcpu_run(&machine->vcpu, &exit);
	assert_string_equal(exit.detail, "");
	assert_int_equal(exit.event, VCPU_SYSCALL);
	assert_int_equal(machine->vcpu.regs->rax, VISO_HYPERCALL_BASE + VISO_HYPERCALL_RETURN);
	assert_int_equal(machine->vcpu.regs->rdi, value);
	assert_null(machine->vcpu.due);
}

#define skip_without_restore(machine)                                                                                  \
	do {                                                                                                           \
		bool can = xstate_can_be_put((machine).vcpu.processor);                                                \
		if (!can)                                                                                              \
			tear_down(&(machine));                                                                         \
		skip_without(can, "XSAVE");                                                                            \
	} while (0)

static void test_the_state_is_restored_on_the_way_to_a_function(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	struct machine machine = {0};
	struct vcpu_state frozen = {0};
	set_up(&machine);
	skip_without_restore(machine);
	load_function(&machine);
	for (uint64_t i = 1; i < 4; i++) {
		go_back_and_call(&machine, &frozen, i << 40, i);
		assert_true(machine.vcpu.restores);
		assert_returns(&machine, (i << 40) + i);
		assert_false(machine.vcpu.lacks_restore);
	}
	tear_down(&machine);
}

/* It is still to come, whoever asks; and whatever else is put in its place counts. */
static void test_a_state_that_is_due_can_be_looked_at(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	struct machine machine = {0};
	struct vcpu_state frozen = {0}, saved = {0};
	struct vcpu_exit exit;
	uint8_t bytes[XSTATE_MAX];
	set_up(&machine);
	skip_without_restore(machine);
	load_function(&machine);
	go_back_and_call(&machine, &frozen, 1ull << 40, 5);
	machine.vm.run->immediate_exit = 1;
	vcpu_run(&machine.vcpu, &exit);
	assert_int_equal(exit.event, VCPU_INTERRUPTED);
	machine.vm.run->immediate_exit = 0;
	assert_ptr_equal(machine.vcpu.due, &frozen.xsave);
	assert_true(machine.vcpu.restores);
	assert_ok(vcpu_save(&machine.vcpu, &saved));
	assert_int_equal(saved.regs.rip, SYSTEM_CALL);
	assert_int_equal(saved.regs.rdx, 5);
	assert_memory_equal(&saved.xsave, &frozen.xsave, sizeof(saved.xsave));
	assert_ok(xstate_get(&machine.vcpu, bytes));
	assert_memory_equal(bytes + XMM0, (uint8_t *)&frozen.xsave + XMM0, 16);
	assert_returns(&machine, (1ull << 40) + 5);

	go_back_and_call(&machine, &frozen, 2ull << 40, 6);
	assert_true(vcpu_is_in_program(&machine.vcpu));
	memset(bytes + XMM0, 0, 16);
	bytes[XMM0] = 7;
	assert_ok(xstate_set(&machine.vcpu, bytes));
	assert_returns(&machine, 13);
	tear_down(&machine);
}

/* What XRSTOR does not take is left to KVM. */
static void test_what_cannot_be_restored_is_loaded(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	struct machine machine = {0};
	struct vcpu_state frozen = {0};
	set_up(&machine);
	skip_without_restore(machine);
	load_function(&machine);
	go_back_and_call(&machine, &frozen, 3ull << 40, 8);
	trampoline(&machine)[SYSTEM_STATE % GUEST_PAGE + XSTATE_HEADER + 16] = 1;
	assert_returns(&machine, (3ull << 40) + 8);
	assert_true(machine.vcpu.lacks_restore);
	go_back_and_call(&machine, &frozen, 4ull << 40, 9);
	assert_false(machine.vcpu.restores);
	assert_returns(&machine, (4ull << 40) + 9);
	tear_down(&machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_state_is_restored_on_the_way_to_a_function),
		cmocka_unit_test(test_a_state_that_is_due_can_be_looked_at),
		cmocka_unit_test(test_what_cannot_be_restored_is_loaded),
		cmocka_unit_test(test_a_fault_does_not_outlive_its_program),
		cmocka_unit_test(test_sysret_returns_as_the_host_does),
		cmocka_unit_test(test_a_return_that_is_interrupted_is_taken_back),
		cmocka_unit_test(test_other_returns_are_the_hosts),
		cmocka_unit_test(test_a_return_to_no_address_is_a_fault_of_the_program),
		cmocka_unit_test(test_a_program_that_steps_itself_is_returned_to_by_the_host),
		cmocka_unit_test(test_without_sysret_the_host_returns),
	};
	return cmocka_run_group_tests_name("guest vcpu", tests, NULL, NULL);
}
