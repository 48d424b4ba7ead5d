/* SPDX-License-Identifier: MIT */
#include "guest/kernel/snapshot/registers.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/kernel/snapshot/model_specific.h"

/* All but the model-specific registers and what XSAVE gives, whose size is KVM's affair. */
struct processor_state {
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
};

static int get(int fd, unsigned long request, void *out, const char *name)
{
	return ioctl(fd, request, out) < 0 ? vm_fail(name) : 0;
}

#define GET(request, out) get(fd, request, out, #request)
#define SET(request, in) get(fd, request, (void *)(in), #request)

/* At least that of struct kvm_xsave, which is all that older kernels have. */
static size_t xsave_size(const struct machine_cpu *processor)
{
	int size = ioctl(processor->machine->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	return size > (int)sizeof(struct kvm_xsave) ? (size_t)size : sizeof(struct kvm_xsave);
}

static int save_extended(const struct machine_cpu *processor, struct state_writer *out)
{
	int fd = processor->vm.vcpu_fd;
	size_t size = xsave_size(processor);
	_cleanup_free_ void *xsave = calloc(1, size);
	if (!xsave)
		return error_memory();
	int r = size > sizeof(struct kvm_xsave) ? GET(KVM_GET_XSAVE2, xsave) : GET(KVM_GET_XSAVE, xsave);
	if (r < 0)
		return r;
	state_put_number(out, size);
	state_put(out, xsave, size);
	return 0;
}

static int load_extended(const struct machine_cpu *processor, struct state_reader *in)
{
	int fd = processor->vm.vcpu_fd;
	uint64_t size;
	if (!state_get_number(in, xsave_size(processor), &size) || size != xsave_size(processor))
		return state_damaged("extended registers");
	_cleanup_free_ void *xsave = malloc(size);
	if (!xsave)
		return error_memory();
	if (!state_get(in, xsave, size))
		return state_damaged("extended registers");
	return SET(KVM_SET_XSAVE, xsave);
}

/* KVM_GET_MP_STATE first: it lets KVM act on an INIT or SIPI that waits. The events last, which others may change. */
static int get_state(int fd, struct processor_state *out)
{
	int r = GET(KVM_GET_MP_STATE, &out->mp);
	if (r == 0)
		r = GET(KVM_GET_REGS, &out->regs);
	if (r == 0)
		r = GET(KVM_GET_SREGS, &out->sregs);
	if (r == 0)
		r = GET(KVM_GET_XCRS, &out->xcrs);
	if (r == 0)
		r = GET(KVM_GET_DEBUGREGS, &out->debug);
	if (r == 0)
		r = GET(KVM_GET_LAPIC, &out->lapic);
	return r;
}

int registers_save(const struct machine_cpu *processor, struct state_writer *out)
{
	int fd = processor->vm.vcpu_fd;
	struct state_writer rest = {0};
	struct processor_state state;
	memset(&state, 0, sizeof(state));
	int r = get_state(fd, &state);
	if (r == 0)
		r = save_extended(processor, &rest);
	if (r == 0)
		r = model_specific_save(processor, &rest);
	if (r == 0)
		r = GET(KVM_GET_VCPU_EVENTS, &state.events);
	state_put(out, &state, sizeof(state));
	state_put(out, rest.data, rest.size);
	out->has_failed |= rest.has_failed;
	state_release(&rest);
	return r;
}

/* Which processor features a register may use is CPUID's to say, which is set already; the timers of the local APIC
 * are set when it is, and what counts by the TSC after that. */
int registers_load(const struct machine_cpu *processor, struct state_reader *in)
{
	int fd = processor->vm.vcpu_fd;
	struct processor_state state;
	if (!state_get(in, &state, sizeof(state)))
		return state_damaged("registers");
	int r = SET(KVM_SET_MP_STATE, &state.mp);
	if (r == 0)
		r = SET(KVM_SET_REGS, &state.regs);
	if (r == 0)
		r = SET(KVM_SET_SREGS, &state.sregs);
	if (r == 0)
		r = load_extended(processor, in);
	/* There are none where the host has no XSAVE. */
	if (r == 0 && state.xcrs.nr_xcrs)
		r = SET(KVM_SET_XCRS, &state.xcrs);
	if (r == 0)
		r = SET(KVM_SET_DEBUGREGS, &state.debug);
	if (r == 0)
		r = SET(KVM_SET_LAPIC, &state.lapic);
	if (r == 0)
		r = model_specific_load(processor, in);
	return r < 0 ? r : SET(KVM_SET_VCPU_EVENTS, &state.events);
}

static const uint32_t chips[] = {KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC};

/* The timer that a PC has alone. */
static int save_timer(const struct machine *machine, struct state_writer *out)
{
	struct kvm_pit_state2 timer;
	memset(&timer, 0, sizeof(timer));
	int r = machine->platform == VISO_PLATFORM_PC ? get(machine->vm_fd, KVM_GET_PIT2, &timer, "KVM_GET_PIT2") : 0;
	if (machine->platform == VISO_PLATFORM_PC)
		state_put(out, &timer, sizeof(timer));
	return r;
}

/* Each of its channels begins to count anew: what was due in a while is, at the latest, after one period. */
static int load_timer(const struct machine *machine, struct state_reader *in)
{
	struct kvm_pit_state2 timer;
	if (machine->platform != VISO_PLATFORM_PC)
		return 0;
	if (!state_get(in, &timer, sizeof(timer)))
		return state_damaged("timer");
	return get(machine->vm_fd, KVM_SET_PIT2, &timer, "KVM_SET_PIT2");
}

int controllers_save(const struct machine *machine, struct state_writer *out)
{
	int fd = machine->vm_fd;
	struct kvm_clock_data clock = {0};
	for (unsigned i = 0; i < sizeof(chips) / sizeof(chips[0]); i++) {
		struct kvm_irqchip chip;
		memset(&chip, 0, sizeof(chip));
		chip.chip_id = chips[i];
		int r = GET(KVM_GET_IRQCHIP, &chip);
		if (r < 0)
			return r;
		state_put(out, &chip, sizeof(chip));
	}
	int r = GET(KVM_GET_CLOCK, &clock);
	state_put_number(out, clock.clock);
	return r < 0 ? r : save_timer(machine, out);
}

/* The clock goes on where it stood: what was to happen after a while has as much time left. */
int controllers_load(const struct machine *machine, struct state_reader *in)
{
	int fd = machine->vm_fd;
	struct kvm_clock_data clock = {0};
	uint64_t now;
	for (unsigned i = 0; i < sizeof(chips) / sizeof(chips[0]); i++) {
		struct kvm_irqchip chip;
		if (!state_get(in, &chip, sizeof(chip)) || chip.chip_id != chips[i])
			return state_damaged("interrupt controllers");
		int r = SET(KVM_SET_IRQCHIP, &chip);
		if (r < 0)
			return r;
	}
	if (!state_get_number(in, INT64_MAX, &now))
		return state_damaged("clock");
	clock.clock = now;
	int r = SET(KVM_SET_CLOCK, &clock);
	return r < 0 ? r : load_timer(machine, in);
}
