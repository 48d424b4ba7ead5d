/* SPDX-License-Identifier: MIT */
#include "guest/kernel/attendant.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "guest/kernel/machine.h"
#include "guest/kernel/memory.h"

enum { MS = 1000000, PATIENCE_MS = 1000, WAIT_MAX_MS = 60000 };

/* CPU time of all processors, in nanoseconds. While their threads have not been joined. */
static int64_t processor_time(const struct machine *machine)
{
	int64_t sum = 0;
	for (unsigned i = 0; i < machine->processor_count; i++) {
		clockid_t clock;
		if (machine->processors[i].has_thread &&
		    pthread_getcpuclockid(machine->processors[i].thread, &clock) == 0)
			sum += clock_now(clock);
	}
	return sum;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Of a time in milliseconds: how many nanoseconds are left of it. */
static int64_t left_of(uint64_t ms, int64_t used)
{
	return ms > (uint64_t)INT64_MAX / MS ? INT64_MAX : (int64_t)ms * MS - used;
}

/* Ends the machine where a time is over; else how many milliseconds the attendant may wait. */
static int look_at_times(struct machine *machine)
{
	int64_t left = (int64_t)WAIT_MAX_MS * MS;
	if (machine->timeout_ms)
		left = smaller(left, left_of(machine->timeout_ms, clock_now(CLOCK_MONOTONIC) - machine->begin));
	if (left <= 0)
		machine_end(machine, VISO_REASON_TIMED_OUT, -1, NULL);
	if (machine->cpu_time_ms) {
		int64_t cpu = left_of(machine->cpu_time_ms, processor_time(machine));
		if (cpu <= 0)
			machine_end(machine, VISO_REASON_CPU_TIME, -1, NULL);
		/* They use it up side by side. */
		left = smaller(left, cpu / machine->processor_count);
	}
	return left <= 0 ? 0 : (int)((left + MS - 1) / MS);
}

static bool has_ended(struct machine *machine)
{
	pthread_mutex_lock(&machine->lock);
	bool ended = machine->state == MACHINE_ENDED;
	pthread_mutex_unlock(&machine->lock);
	return ended;
}

/* False where nothing came of it within that time. */
static bool attend(struct machine *machine, int wait_ms)
{
	struct pollfd fds[CONSOLE_FDS + 1];
	eventfd_t wakeups;
	int patience_ms = console_wait(&machine->console, wait_ms);
	console_poll_for(&machine->console, fds);
	fds[CONSOLE_FDS] = (struct pollfd){.fd = machine->wake_fd, .events = POLLIN};
	int n = poll(fds, CONSOLE_FDS + 1, patience_ms);
	if (n <= 0)
		return n < 0 || patience_ms < wait_ms;
	if (fds[CONSOLE_FDS].revents)
		eventfd_read(machine->wake_fd, &wakeups);
	console_serve(&machine->console, fds);
	return true;
}

/* What the guest wrote last, as far as somebody reads it. */
static void finish_console(struct machine *machine)
{
	machine->console.input_has_ended = true;
	while (console_has_output(&machine->console) && attend(machine, PATIENCE_MS))
		;
}

static void add_usage(struct rusage *sum, const struct rusage *usage)
{
	timeradd(&sum->ru_utime, &usage->ru_utime, &sum->ru_utime);
	timeradd(&sum->ru_stime, &usage->ru_stime, &sum->ru_stime);
	sum->ru_minflt += usage->ru_minflt;
	sum->ru_majflt += usage->ru_majflt;
	sum->ru_inblock += usage->ru_inblock;
	sum->ru_oublock += usage->ru_oublock;
	sum->ru_nvcsw += usage->ru_nvcsw;
	sum->ru_nivcsw += usage->ru_nivcsw;
}

static void count_usage(struct machine *machine)
{
	struct rusage own;
	getrusage(RUSAGE_THREAD, &own);
	add_usage(&machine->usage, &own);
	for (unsigned i = 0; i < machine->processor_count; i++)
		add_usage(&machine->usage, &machine->processors[i].usage);
	int64_t resident = memory_resident(machine->memory, machine->memory_size, machine->origin);
	machine->memory_peak = resident < 0 ? 0 : (uint64_t)resident;
	machine->wall_end = clock_now(CLOCK_MONOTONIC);
}

void *attendant_run(void *data)
{
	struct machine *machine = data;
	prctl(PR_SET_NAME, "viso-attendant");
	while (!has_ended(machine)) {
		int wait_ms = look_at_times(machine);
		if (wait_ms > 0)
			attend(machine, wait_ms);
	}
	machine_join_processors(machine);
	/* Nobody pauses it any more, but somebody may be about to. */
	pthread_mutex_lock(&machine->turns);
	machine_stop_devices(machine);
	pthread_mutex_unlock(&machine->turns);
	finish_console(machine);
	console_hang_up(&machine->console);
	count_usage(machine);
	if (machine->ended)
		machine->ended(machine->ended_data);
	machine_take_apart(machine);
	eventfd_write(machine->end_fd, 1);
	return NULL;
}
