/* SPDX-License-Identifier: MIT */
#include "guest/kernel/doorbell.h"

#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "guest/contained/computer.h"
#include "guest/guest.h"
#include "guest/kernel/given_bell.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/processor.h"

static void pause_device(void *device)
{
	doorbell_pause(device);
}

static void resume_device(void *device)
{
	doorbell_resume(device);
}

static int save(void *device, struct state_writer *out)
{
	doorbell_save(device, out);
	return 0;
}

static int load(void *device, struct state_reader *in)
{
	return doorbell_load(device, in);
}

static void stop(void *device)
{
	doorbell_close(device);
}

static void release(void *device, bool is_forked)
{
	if (is_forked) {
		doorbell_forget(device);
		return;
	}
	/* One of a computer that was never started is open. */
	doorbell_close(device);
	doorbell_unref(device);
}

static int add_own(struct machine *machine, struct viso_guest *guest)
{
	static const struct machine_device_ops ops = {.pause = pause_device,
						      .resume = resume_device,
						      .stop = stop,
						      .save = save,
						      .load = load,
						      .release = release};
	const struct doorbell_setting setting = {
		.ram = &machine->ram,
		.address = LAYOUT_DOORBELL,
		.port = LAYOUT_DOORBELL_PORT,
		.line = LAYOUT_DOORBELL_LINE,
		.interrupt = machine_interrupt(machine, LAYOUT_DOORBELL_LINE),
		.processor = {.leave = processor_leave, .back = processor_back},
		.poll_us = guest->ring_poll_us,
		.guest = guest,
	};
	struct doorbell *doorbell = doorbell_new(&setting);
	if (!doorbell)
		return error_memory();
	int r = machine_add_device(machine, &ops, doorbell);
	if (r == 0)
		r = machine_add_memory(machine, LAYOUT_DOORBELL, doorbell_pages(doorbell), DOORBELL_SIZE, false);
	if (r == 0)
		r = machine_add_ports(machine, LAYOUT_DOORBELL_PORT, DOORBELL_PORTS, &doorbell_ops, doorbell);
	if (r == 0)
		machine->doorbell = doorbell;
	return r;
}

int doorbell_add(struct machine *machine, struct viso_guest *guest)
{
	const int given = guest->kernel->given_bell;
	machine->ram.reserved = LAYOUT_DOORBELL;
	machine->ram.reserved_size = DOORBELL_SIZE;
	return given ? given_bell_add(machine, given) : add_own(machine, guest);
}

struct finding {
	const char *function;
	struct doorbell *doorbell; /* a reference */
};

static int find(struct machine *machine, void *data)
{
	struct finding *finding = data;
	if (!machine->doorbell)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, finding->function,
				  "%s: a PC knows nothing of the host; choose VISO_PLATFORM_MICROVM by "
				  "viso_guest_set_platform()",
				  finding->function);
	finding->doorbell = doorbell_ref(machine->doorbell);
	return 0;
}

/* Of a contained computer that runs: a reference. NULL for none. */
static struct doorbell *find_contained(struct kernel_guest *kernel)
{
	struct doorbell *doorbell = NULL;
	pthread_mutex_lock(&kernel->lock);
	if (contained_computer_runs(kernel->contained))
		doorbell = doorbell_ref(contained_computer_doorbell(kernel->contained));
	pthread_mutex_unlock(&kernel->lock);
	return doorbell;
}

int64_t doorbell_call(struct viso_guest *guest, const struct doorbell_request *request, const char *function)
{
	struct finding finding = {.function = function};
	int r = sandbox_check_use(&guest->sandbox, function);
	if (r == 0 && request->name && strlen(request->name) > DOORBELL_NAME_MAX)
		return error_argument(function, "the name of a computer's function has at most 127 bytes");
	if (r == 0 && hypercalls_are_served_here(guest))
		return error_fail(VISO_STAGE_GUEST, EBUSY, function,
				  "%s: the guest waits for the handler that calls it; call it from another thread",
				  function);
	if (r == 0)
		finding.doorbell = find_contained(guest->kernel);
	if (r == 0 && !finding.doorbell)
		r = kernel_use_machine(guest, function, find, &finding);
	if (r < 0)
		return r;
	int64_t n = doorbell_ask(finding.doorbell, request, function);
	doorbell_unref(finding.doorbell);
	return n;
}

/* Where no computer runs there is none on its way, which is no error. */
int doorbell_cancel_calls(struct viso_guest *guest)
{
	struct kernel_guest *kernel = guest->kernel;
	pthread_mutex_lock(&kernel->lock);
	bool any = kernel->machine && kernel->machine->doorbell && doorbell_cancel(kernel->machine->doorbell);
	pthread_mutex_unlock(&kernel->lock);
	struct doorbell *contained = find_contained(kernel);
	any |= contained && doorbell_cancel(contained);
	doorbell_unref(contained);
	return any;
}
