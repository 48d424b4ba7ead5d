/* SPDX-License-Identifier: MIT */
#include "guest/kernel/processor.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/error.h"
#include "core/fd.h"
#include "guest/device/doorbell.h"
#include "guest/kernel/boot/entry.h"
#include "guest/kernel/cpuid.h"
#include "guest/x86_64/registers.h"

enum {
	MSR_MISC_ENABLE = 0x1a0,
	MISC_ENABLE_FAST_STRING = 1,
	MSR_MTRR_DEFAULT = 0x2ff,
	MTRR_ENABLED = 0x800,
	MTRR_WRITE_BACK = 6
};

/* Of a local APIC (Intel SDM volume 3, 10.5.1): its inputs, as an operating system without a BIOS expects them. */
enum { APIC_LINT0 = 0x350, APIC_LINT1 = 0x360, APIC_EXTERNAL = 0x700, APIC_NMI = 0x400 };

void processor_clear(struct machine_cpu *processor, struct machine *machine, unsigned index)
{
	*processor = (struct machine_cpu){.machine = machine, .index = index, .vm = vm_none};
	kick_init(&processor->kick);
	/* Until the machine begins. */
	kick_pause(&processor->kick);
}

/* One by one: a KVM that does not know one of them has its effect anyway. */
static void set_msr(int fd, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry;
	} msrs = {.header.nmsrs = 1, .entry = {.index = index, .data = value}};
	(void)ioctl(fd, KVM_SET_MSRS, &msrs);
}

static void put_word(char *registers, unsigned offset, uint32_t value)
{
	memcpy(registers + offset, &value, sizeof(value));
}

static int set_local_apic(int fd)
{
	struct kvm_lapic_state apic;
	if (ioctl(fd, KVM_GET_LAPIC, &apic) < 0)
		return vm_fail("KVM_GET_LAPIC");
	put_word(apic.regs, APIC_LINT0, APIC_EXTERNAL);
	put_word(apic.regs, APIC_LINT1, APIC_NMI);
	return ioctl(fd, KVM_SET_LAPIC, &apic) < 0 ? vm_fail("KVM_SET_LAPIC") : 0;
}

int processor_init(struct machine_cpu *processor, int kvm)
{
	const struct machine *machine = processor->machine;
	int r = vm_open_processor(&processor->vm, kvm, machine->vm_fd, processor->index);
	if (r == 0)
		r = kernel_cpuid_set(kvm, processor->vm.vcpu_fd, machine->platform, processor->index,
				     machine->processor_count);
	if (r < 0)
		return r;
	const struct kvm_fpu fpu = {.fcw = 0x37f, .mxcsr = 0x1f80};
	if (ioctl(processor->vm.vcpu_fd, KVM_SET_FPU, &fpu) < 0)
		return vm_fail("KVM_SET_FPU");
	set_msr(processor->vm.vcpu_fd, MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRING);
	set_msr(processor->vm.vcpu_fd, MSR_MTRR_DEFAULT, MTRR_ENABLED | MTRR_WRITE_BACK);
	return set_local_apic(processor->vm.vcpu_fd);
}

int processor_set_entry(struct machine_cpu *processor, const struct boot_entry *entry)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	int fd = processor->vm.vcpu_fd;
	if (ioctl(fd, KVM_GET_SREGS, &sregs) < 0)
		return vm_fail("KVM_GET_SREGS");
	if (!entry_prepare(entry, &processor->machine->ram, &regs, &sregs))
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "memory", "the guest has too little memory to begin");
	if (ioctl(fd, KVM_SET_SREGS, &sregs) < 0)
		return vm_fail("KVM_SET_SREGS");
	return ioctl(fd, KVM_SET_REGS, &regs) < 0 ? vm_fail("KVM_SET_REGS") : 0;
}

static void handle_exit(struct machine_cpu *processor);

/*
 * What it left the guest for is done, but KVM looks at the answer when it runs on, and until then its registers are
 * those of before on some hosts (api.rst, KVM_RUN). So it is to run on without running.
 */
static void complete_exit(struct machine_cpu *processor)
{
	struct kvm_run *run = processor->vm.run;
	run->immediate_exit = 1;
	while (ioctl(processor->vm.vcpu_fd, KVM_RUN, 0) == 0)
		handle_exit(processor);
	run->immediate_exit = 0;
}

/* Stands still while the machine does. False where it has ended. */
static bool await_turn(struct machine_cpu *processor)
{
	struct machine *machine = processor->machine;
	complete_exit(processor);
	pthread_mutex_lock(&machine->lock);
	if (machine->state == MACHINE_NEW || machine->state == MACHINE_PAUSED) {
		if (machine->state == MACHINE_PAUSED)
			exits_look(&processor->exits, processor->vm.vcpu_fd);
		machine->parked++;
		pthread_cond_broadcast(&machine->changed);
		while (machine->state == MACHINE_NEW || machine->state == MACHINE_PAUSED)
			pthread_cond_wait(&machine->changed, &machine->lock);
		machine->parked--;
		/* The guest's watchdogs are not to take it for a lock-up; it is no error where it has no clock of
		 * KVM's. */
		(void)ioctl(processor->vm.vcpu_fd, KVM_KVMCLOCK_CTRL, 0);
	}
	bool runs = machine->state == MACHINE_RUNNING;
	pthread_mutex_unlock(&machine->lock);
	return runs;
}

/* That of the calling thread. */
static _Thread_local struct machine_cpu *own;

void processor_leave(void)
{
	struct machine *machine = own->machine;
	pthread_mutex_lock(&machine->lock);
	own->is_outside = true;
	machine->parked++;
	pthread_cond_broadcast(&machine->changed);
	pthread_mutex_unlock(&machine->lock);
}

void processor_back(void)
{
	struct machine *machine = own->machine;
	bool was_paused = false;
	pthread_mutex_lock(&machine->lock);
	while (machine->state == MACHINE_PAUSED) {
		was_paused = true;
		pthread_cond_wait(&machine->changed, &machine->lock);
	}
	/* As await_turn(). */
	if (was_paused && machine->state == MACHINE_RUNNING)
		(void)ioctl(own->vm.vcpu_fd, KVM_KVMCLOCK_CTRL, 0);
	machine->parked--;
	own->is_outside = false;
	pthread_mutex_unlock(&machine->lock);
}

static void handle_port(struct machine_cpu *processor)
{
	struct kvm_run *run = processor->vm.run;
	const struct bus *bus = &processor->machine->ports;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	const unsigned size = run->io.size;
	const uint32_t count = run->io.count;
	/* Where a handler has lasted longer than the machine, `run` is gone. */
	for (uint32_t i = 0; i < count && !processor->is_left; i++, data += size)
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(bus, run->io.port, data, size);
		else
			bus_read(bus, run->io.port, data, size);
}

static void handle_memory(struct machine_cpu *processor)
{
	struct kvm_run *run = processor->vm.run;
	const struct bus *bus = &processor->machine->bus;
	if (run->mmio.is_write)
		bus_write(bus, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(bus, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
}

/* The machine ends since this processor cannot go on; of its registers the result tells. */
static void fail(struct machine_cpu *processor, const char *what)
{
	char detail[MACHINE_DETAIL_MAX];
	struct machine *machine = processor->machine;
	struct kvm_regs regs = {0};
	struct kvm_sregs sregs = {0};
	struct result_register registers[RESULT_REGISTERS_MAX];
	bool is_known = ioctl(processor->vm.vcpu_fd, KVM_GET_REGS, &regs) == 0 &&
			ioctl(processor->vm.vcpu_fd, KVM_GET_SREGS, &sregs) == 0;
	snprintf(detail, sizeof(detail), "%s, processor %u, instruction 0x%llx", what, processor->index,
		 (unsigned long long)(sregs.cs.base + regs.rip));
	size_t count = is_known ? registers_list(&regs, sregs.fs.base, sregs.gs.base, registers) : 0;
	pthread_mutex_lock(&machine->lock);
	if (machine->state != MACHINE_ENDED) {
		memcpy(machine->registers, registers, count * sizeof(registers[0]));
		machine->register_count = count;
	}
	pthread_mutex_unlock(&machine->lock);
	machine_end(machine, VISO_REASON_GUEST_FAULT, -1, detail);
}

static void handle_other(struct machine_cpu *processor)
{
	char what[64];
	const struct kvm_run *run = processor->vm.run;
	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		fail(processor, "triple fault");
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		if (run->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN)
			machine_power_off(processor->machine);
		else if (run->system_event.type == KVM_SYSTEM_EVENT_RESET)
			machine_reset(processor->machine);
		else
			fail(processor, "the operating system reported a crash");
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		snprintf(what, sizeof(what), "KVM cannot go on (internal error %u)", run->internal.suberror);
		fail(processor, what);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(what, sizeof(what), "the processor refuses its state (0x%llx)",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		fail(processor, what);
		break;
	default:
		snprintf(what, sizeof(what), "exit %u, which nobody expects", run->exit_reason);
		fail(processor, what);
		break;
	}
}

static void handle_exit(struct machine_cpu *processor)
{
	exits_count(&processor->exits, EXIT_ALL);
	switch (processor->vm.run->exit_reason) {
	case KVM_EXIT_IO:
		exits_count(&processor->exits, EXIT_PORT);
		handle_port(processor);
		break;
	case KVM_EXIT_MMIO:
		exits_count(&processor->exits, EXIT_MEMORY);
		handle_memory(processor);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_HLT: /* KVM itself waits where it has the interrupt controllers */
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	default:
		handle_other(processor);
		break;
	}
}

/* Handlers are called by the thread of a processor: the first one of a clone sees to it. */
static void go_on_with_calls(struct machine_cpu *processor)
{
	const struct machine *machine = processor->machine;
	if (machine->origin && machine->doorbell && processor->index == 0 && await_turn(processor))
		doorbell_ring_again(machine->doorbell);
}

static void run_until_end(struct machine_cpu *processor)
{
	char what[64];
	go_on_with_calls(processor);
	/* Of one that was left in a handler nothing is there to go on with. */
	while (!processor->is_left && (!kick_is_due(&processor->kick) || await_turn(processor))) {
		if (ioctl(processor->vm.vcpu_fd, KVM_RUN, 0) == 0) {
			handle_exit(processor);
			continue;
		}
		/* EAGAIN: a processor that waited was started by another one. */
		if (errno == EINTR || errno == EAGAIN) {
			exits_count(&processor->exits, EXIT_ALL);
			exits_count(&processor->exits, EXIT_INTERRUPTED);
			kick_check(&processor->kick);
			continue;
		}
		snprintf(what, sizeof(what), "KVM_RUN: %s", strerrordesc_np(errno));
		fail(processor, what);
	}
}

static void finish(struct machine_cpu *processor)
{
	struct machine *machine = processor->machine;
	pthread_mutex_lock(&machine->lock);
	processor->has_finished = true;
	bool is_left = processor->is_left;
	pthread_cond_broadcast(&machine->changed);
	pthread_mutex_unlock(&machine->lock);
	if (is_left)
		machine_unref(machine);
}

void *processor_run(void *data)
{
	char name[16];
	struct machine_cpu *processor = data;
	snprintf(name, sizeof(name), "viso-cpu-%u", processor->index);
	prctl(PR_SET_NAME, name);
	own = processor;
	atomic_store(&processor->thread_id, gettid());
	if (kick_enter(&processor->kick, &processor->vm, 0, 0) < 0) {
		machine_end(processor->machine, VISO_REASON_GUEST_FAULT, -1, viso_error_message());
		await_turn(processor);
	} else {
		run_until_end(processor);
		kick_leave(&processor->kick, true);
	}
	/* Of one that was left nothing is there any more. */
	if (!processor->is_left)
		exits_look(&processor->exits, processor->vm.vcpu_fd);
	getrusage(RUSAGE_THREAD, &processor->usage);
	finish(processor);
	return NULL;
}
