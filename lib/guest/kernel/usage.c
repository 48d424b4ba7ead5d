/* SPDX-License-Identifier: MIT */
/* What a computer uses while it runs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest/kernel/machine.h"
#include "guest/kernel/memory.h"

/* In clock ticks, from stat of a thread: utime and stime (proc(5)). False where it is not known. */
static bool thread_ticks(int id, long long out[2])
{
	char path[64], line[512];
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", id);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	const char *end = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	return end && sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &out[0], &out[1]) == 2;
}

static void add_processor(const struct machine_cpu *processor, long ticks_a_second, int64_t *user_us,
			  int64_t *system_us)
{
	clockid_t clock;
	long long ticks[2];
	int id = atomic_load(&processor->thread_id);
	if (!id || pthread_getcpuclockid(processor->thread, &clock) != 0)
		return;
	int64_t all = clock_now(clock) / 1000;
	int64_t system = thread_ticks(id, ticks) ? ticks[1] * 1000000 / ticks_a_second : 0;
	system = system < all ? system : all;
	*system_us += system;
	*user_us += all - system;
}

static int64_t sum_of_exits(const struct machine *machine, enum exit_kind kind)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < machine->processor_count; i++) {
		const struct exits *exits = &machine->processors[i].exits;
		if (kind >= EXIT_KVM && !atomic_load(&exits->is_kvm_known))
			return -1;
		sum += atomic_load_explicit(&exits->counts[kind], memory_order_relaxed);
	}
	return (int64_t)sum;
}

static int64_t sum_of_disks(const struct machine *machine, enum traffic_direction direction)
{
	uint64_t sum = 0;
	for (int i = 0; i < machine->traffic_count; i++)
		if (machine->traffic[i].device == VISO_DEVICE_DISK)
			sum += atomic_load_explicit(&machine->traffic[i].traffic->bytes[direction],
						    memory_order_relaxed);
	return (int64_t)sum;
}

_Static_assert((int)VISO_USAGE_EXITS + (int)EXIT_KINDS == (int)RESULT_USAGE_COUNT, "kinds of exits are numbered alike");

void machine_put_counts(const struct machine *machine, int64_t figures[RESULT_USAGE_COUNT])
{
	for (int kind = 0; kind < EXIT_KINDS; kind++)
		figures[VISO_USAGE_EXITS + kind] = sum_of_exits(machine, kind);
	figures[VISO_USAGE_READ_BYTES] = sum_of_disks(machine, TRAFFIC_TO_GUEST);
	figures[VISO_USAGE_WRITTEN_BYTES] = sum_of_disks(machine, TRAFFIC_FROM_GUEST);
}

/* Its threads are there as long as it has not ended. */
bool machine_usage(struct machine *machine, int64_t figures[RESULT_USAGE_COUNT])
{
	const long ticks_a_second = sysconf(_SC_CLK_TCK);
	memset(figures, 0xff, RESULT_USAGE_COUNT * sizeof(figures[0]));
	pthread_mutex_lock(&machine->lock);
	bool runs = machine->state == MACHINE_RUNNING || machine->state == MACHINE_PAUSED;
	if (runs) {
		figures[VISO_USAGE_WALL_US] = (clock_now(CLOCK_MONOTONIC) - machine->begin) / 1000;
		figures[VISO_USAGE_USER_US] = figures[VISO_USAGE_SYSTEM_US] = 0;
		for (unsigned i = 0; i < machine->processor_count; i++)
			add_processor(&machine->processors[i], ticks_a_second, &figures[VISO_USAGE_USER_US],
				      &figures[VISO_USAGE_SYSTEM_US]);
		figures[VISO_USAGE_MEMORY] = memory_resident(machine->memory, machine->memory_size, machine->origin);
		machine_put_counts(machine, figures);
	}
	pthread_mutex_unlock(&machine->lock);
	return runs;
}
