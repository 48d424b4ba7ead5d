/* SPDX-License-Identifier: MIT */
/* What is said when the command has ended. */
#include <inttypes.h>
#include <stdio.h>

#include "run.h"

int report(const viso_result *result)
{
	int code = viso_result_exit_code(result);
	if (code != 0)
		fprintf(stderr, "viso-run: %s\n", viso_result_describe(result));
	if (code >= 0)
		return code;
	if (viso_result_reason(result) == VISO_REASON_TIMED_OUT)
		return EXIT_TIMED_OUT;
	int signal = viso_result_signal(result);
	return signal ? EXIT_SIGNAL_BASE + signal : EXIT_OWN_ERROR;
}

void print_usage_of(const viso_result *result)
{
	static const struct {
		viso_usage usage;
		const char *name, *unit;
	} figures[] = {
		{VISO_USAGE_WALL_US, "wall-clock time", "us"},
		{VISO_USAGE_USER_US, "CPU time, user", "us"},
		{VISO_USAGE_SYSTEM_US, "CPU time, kernel", "us"},
		{VISO_USAGE_MEMORY_PEAK, "peak memory", "bytes"},
		{VISO_USAGE_PROCESSES_PEAK, "most processes", ""},
		{VISO_USAGE_CPU_THROTTLED_US, "held back by the CPU limit", "us"},
		{VISO_USAGE_READ_BYTES, "read from devices", "bytes"},
		{VISO_USAGE_WRITTEN_BYTES, "written to devices", "bytes"},
		{VISO_USAGE_OOM_KILLS, "killed for want of memory", ""},
		{VISO_USAGE_MEMORY_PRESSURE_US, "waited for memory", "us"},
	};
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		int64_t value = viso_result_usage(result, figures[i].usage);
		if (value >= 0) /* else it is not counted here */
			fprintf(stderr, "viso-run: %-26s %12" PRId64 " %s\n", figures[i].name, value, figures[i].unit);
	}
}

void print_timings_of(viso_process *process)
{
	int64_t ns[VISO_STEP_ENDED + 1], before = 0;
	int count = viso_process_timings(process, ns, VISO_STEP_ENDED + 1);
	for (int i = 0; i < count && i <= VISO_STEP_ENDED; i++) {
		if (ns[i] < 0) /* it was not made */
			continue;
		fprintf(stderr, "viso-run: %-10s %9.1f us, %+9.1f us\n", viso_step_name((viso_step)i),
			(double)ns[i] / 1000, (double)(ns[i] - before) / 1000);
		before = ns[i];
	}
}
