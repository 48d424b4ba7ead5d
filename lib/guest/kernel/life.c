/* SPDX-License-Identifier: MIT */
/* Beginning, pause and end of a computer. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "core/error.h"
#include "guest/kernel/attendant.h"
#include "guest/kernel/machine.h"
#include "guest/kernel/processor.h"
#include "guest/thread.h"

static int start_devices(struct machine *machine)
{
	for (int i = 0; i < machine->device_count; i++) {
		struct machine_device *device = &machine->devices[i];
		device->is_started = true;
		int r = device->ops->start ? device->ops->start(device->device) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

void machine_stop_devices(struct machine *machine)
{
	for (int i = machine->device_count; i-- > 0;) {
		struct machine_device *device = &machine->devices[i];
		if (device->is_started && device->ops->stop)
			device->ops->stop(device->device);
		device->is_started = false;
	}
}

/* It has finished; or it is in a handler of the host program's, which may last: then it goes its own way. */
static void await_processor(struct machine_cpu *processor)
{
	struct machine *machine = processor->machine;
	pthread_mutex_lock(&machine->lock);
	while (!processor->has_finished && !processor->is_outside)
		pthread_cond_wait(&machine->changed, &machine->lock);
	processor->is_left = !processor->has_finished;
	if (processor->is_left)
		atomic_fetch_add(&machine->references, 1);
	pthread_mutex_unlock(&machine->lock);
	if (processor->is_left)
		pthread_detach(processor->thread);
	else
		pthread_join(processor->thread, NULL);
}

void machine_join_processors(struct machine *machine)
{
	for (unsigned i = 0; i < machine->processor_count; i++) {
		struct machine_cpu *processor = &machine->processors[i];
		if (processor->has_thread)
			await_processor(processor);
		processor->has_thread = false;
	}
}

static int start_threads(struct machine *machine)
{
	int r = 0;
	for (unsigned i = 0; i < machine->processor_count && r == 0; i++) {
		struct machine_cpu *processor = &machine->processors[i];
		r = thread_start(&processor->thread, processor_run, processor);
		processor->has_thread = r == 0;
	}
	if (r == 0)
		r = thread_start(&machine->attendant, attendant_run, machine);
	machine->has_attendant = r == 0;
	return r < 0 ? error_fail(VISO_STAGE_GUEST, -r, "pthread_create", NULL) : 0;
}

static void set_running(struct machine *machine, enum machine_state from)
{
	pthread_mutex_lock(&machine->lock);
	if (machine->state == from) {
		machine->state = MACHINE_RUNNING;
		for (unsigned i = 0; i < machine->processor_count; i++)
			kick_unpause(&machine->processors[i].kick);
		pthread_cond_broadcast(&machine->changed);
	}
	pthread_mutex_unlock(&machine->lock);
}

int machine_start(struct machine *machine)
{
	int r = start_devices(machine);
	machine->begin = clock_now(CLOCK_MONOTONIC);
	if (r == 0)
		r = start_threads(machine);
	if (r == 0) {
		set_running(machine, MACHINE_NEW);
		return 0;
	}
	machine_end(machine, VISO_REASON_KILLED, -1, NULL);
	machine_join_processors(machine);
	machine_stop_devices(machine);
	return r;
}

void machine_end(struct machine *machine, viso_reason reason, int exit_code, const char *detail)
{
	pthread_mutex_lock(&machine->lock);
	if (machine->state != MACHINE_ENDED) {
		machine->state = MACHINE_ENDED;
		machine->reason = reason;
		machine->exit_code = exit_code;
		snprintf(machine->detail, sizeof(machine->detail), "%s", detail ? detail : "");
		for (unsigned i = 0; i < machine->processor_count; i++)
			kick_stop(&machine->processors[i].kick, SIGKILL);
		pthread_cond_broadcast(&machine->changed);
	}
	pthread_mutex_unlock(&machine->lock);
	console_close(&machine->console);
	eventfd_write(machine->wake_fd, 1);
}

void machine_power_off(struct machine *machine)
{
	machine_end(machine, VISO_REASON_EXITED, 0, NULL);
}

void machine_reset(struct machine *machine)
{
	machine_end(machine, VISO_REASON_EXITED, 1, NULL);
}

static void tell_devices(struct machine *machine, bool pause)
{
	for (int i = 0; i < machine->device_count; i++) {
		const struct machine_device *device = &machine->devices[i];
		void (*tell)(void *device) = pause ? device->ops->pause : device->ops->resume;
		if (tell)
			tell(device->device);
	}
}

/* False where it does not run. */
static bool park_processors(struct machine *machine)
{
	pthread_mutex_lock(&machine->lock);
	bool pauses = machine->state == MACHINE_RUNNING;
	if (pauses) {
		machine->state = MACHINE_PAUSED;
		for (unsigned i = 0; i < machine->processor_count; i++)
			kick_pause(&machine->processors[i].kick);
		while (machine->state == MACHINE_PAUSED && machine->parked < machine->processor_count)
			pthread_cond_wait(&machine->changed, &machine->lock);
		pauses = machine->state == MACHINE_PAUSED;
	}
	pthread_mutex_unlock(&machine->lock);
	return pauses;
}

static enum machine_state state_of(struct machine *machine)
{
	pthread_mutex_lock(&machine->lock);
	enum machine_state state = machine->state;
	pthread_mutex_unlock(&machine->lock);
	return state;
}

void machine_pause(struct machine *machine)
{
	pthread_mutex_lock(&machine->turns);
	if (park_processors(machine))
		tell_devices(machine, true);
	pthread_mutex_unlock(&machine->turns);
}

void machine_resume(struct machine *machine)
{
	pthread_mutex_lock(&machine->turns);
	if (state_of(machine) == MACHINE_PAUSED) {
		tell_devices(machine, false);
		set_running(machine, MACHINE_PAUSED);
	}
	pthread_mutex_unlock(&machine->turns);
}

bool machine_is_paused(struct machine *machine)
{
	pthread_mutex_lock(&machine->lock);
	bool is_paused = machine->state == MACHINE_PAUSED;
	pthread_mutex_unlock(&machine->lock);
	return is_paused;
}

/* Whether all of it stands still: the host's registers of a processor in a handler are amid an instruction. */
static int check_paused(struct machine *machine)
{
	bool is_outside = false;
	pthread_mutex_lock(&machine->lock);
	bool is_paused = machine->state == MACHINE_PAUSED;
	for (unsigned i = 0; i < machine->processor_count; i++)
		is_outside |= machine->processors[i].is_outside;
	pthread_mutex_unlock(&machine->lock);
	if (!is_paused)
		return error_fail(VISO_STAGE_GUEST, ESRCH, "computer", "the computer does not run");
	return is_outside
		       ? error_fail(VISO_STAGE_GUEST, EBUSY, "computer",
				    "a handler of the host program's serves a call of the guest; let it return before")
		       : 0;
}

int machine_use_paused(struct machine *machine, int (*use)(struct machine *machine, void *data), void *data)
{
	pthread_mutex_lock(&machine->turns);
	bool ran = park_processors(machine);
	if (ran)
		tell_devices(machine, true);
	int r = check_paused(machine);
	if (r == 0)
		r = use(machine, data);
	if (ran) {
		tell_devices(machine, false);
		set_running(machine, MACHINE_PAUSED);
	}
	pthread_mutex_unlock(&machine->turns);
	return r;
}

void machine_join(struct machine *machine)
{
	if (machine->has_attendant)
		pthread_join(machine->attendant, NULL);
	machine->has_attendant = false;
}
