/* SPDX-License-Identifier: MIT */
/*
 * many: a thousand identical containers at once, with a live table of what they use. many.py and many.lua do the same.
 *
 *   many [COUNT [SECONDS]]
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <virtiso.h>

static const char program[] = "/bin/busybox";
/* Some memory, some work, and then a long sleep. */
static const char script[] =
	"head -c 100000 /dev/zero > /tmp/data; i=0; while [ $i -lt 500 ]; do i=$((i+1)); done; exec sleep 600";

static int fail(void)
{
	fprintf(stderr, "many: %s\n", viso_error_message());
	return -1;
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A process has a fd or two of ours. */
static void allow_many_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* One container for all: each command gets an instance of its own. */
static viso_container *make_container(void)
{
	viso_root *root = viso_root_new();
	viso_container *container = viso_container_new();
	viso_machine *machine = viso_machine_new();
	int r = viso_root_add_program(root, program);
	if (r == 0)
		r = viso_container_set_root(container, root);
	/* Memory is counted by a control group, which a limit brings; an ordinary user may have none. */
	if (r == 0 && viso_machine_feature(machine, VISO_FEATURE_MEMORY_LIMIT) == 1)
		r = viso_container_set_memory_max(container, 16 << 20);
	viso_machine_unref(machine);
	viso_root_unref(root);
	if (r == 0)
		return container;
	fail();
	return viso_container_unref(container);
}

static viso_command *make_command(void)
{
	viso_command *command = viso_command_new(program);
	int r = viso_command_add_arg(command, "sh");
	if (r == 0)
		r = viso_command_add_arg(command, "-c");
	if (r == 0)
		r = viso_command_add_arg(command, script);
	if (r == 0)
		r = viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL);
	if (r == 0)
		return command;
	fail();
	return viso_command_unref(command);
}

/* Of all, from a sample: to ask thousands takes longer than to start them. */
static int64_t sum(viso_process **processes, int count, viso_usage usage)
{
	int64_t total = 0;
	int step = count / 64 + 1, asked = 0;
	for (int i = 0; i < count; i += step, asked++) {
		int64_t used = viso_process_usage(processes[i], usage);
		total += used > 0 ? used : 0; /* negative where it is not known here */
	}
	return asked ? total * count / asked : 0;
}

/* One line, written over the last one on a terminal. */
static void print_line(viso_process **processes, int running, double began)
{
	double memory = (double)sum(processes, running, VISO_USAGE_MEMORY) / 1024;
	double cpu =
		(double)(sum(processes, running, VISO_USAGE_USER_US) + sum(processes, running, VISO_USAGE_SYSTEM_US)) /
		1e6;
	printf("%s%8.1f %8d %10.0f %12.1f %9.1f%s", isatty(1) ? "\r" : "", seconds_now() - began, running,
	       memory / 1024, running ? memory / running : 0, cpu, isatty(1) ? "" : "\n");
	fflush(stdout);
}

/* Starts them, as fast as it goes; how many run. */
static int start_all(viso_sandbox *sandbox, const viso_command *command, viso_process **processes, int count)
{
	double began = seconds_now(), next = began + 0.5;
	int running = 0;
	printf("%8s %8s %10s %12s %9s\n", "seconds", "running", "memory MiB", "KiB for each", "CPU s");
	while (running < count && viso_sandbox_spawn(sandbox, command, &processes[running]) == 0) {
		running++;
		if (seconds_now() < next)
			continue;
		print_line(processes, running, began);
		next = seconds_now() + 1;
	}
	if (running < count)
		fail();
	double took = seconds_now() - began;
	print_line(processes, running, began);
	printf("\n%d started in %.2f s, %.0f a second\n", running, took, running / took);
	return running;
}

/* Looks at them for a while, and says which have ended by themselves. */
static void watch(viso_sandbox *sandbox, viso_process **processes, int running, double seconds)
{
	struct pollfd events = {.fd = viso_sandbox_fd(sandbox), .events = POLLIN};
	double began = seconds_now();
	while (seconds_now() - began < seconds) {
		viso_process *process = NULL;
		if (poll(&events, 1, 1000) > 0 && viso_sandbox_next_event(sandbox, &process) == VISO_EVENT_ENDED)
			printf("\nprocess %d has ended\n", viso_process_pid(process));
		viso_process_unref(process);
		print_line(processes, running, began);
	}
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1000;
	double seconds = argc > 2 ? atof(argv[2]) : 3;
	if (count < 1 || count > 100000) {
		fprintf(stderr, "usage: many [COUNT [SECONDS]]\n");
		return 2;
	}
	allow_many_files();
	viso_container *container = make_container();
	viso_command *command = make_command();
	viso_process **processes = calloc((size_t)count, sizeof(*processes));
	int running = 0;
	if (container && command && processes) {
		viso_sandbox *sandbox = viso_container_sandbox(container);
		if (viso_sandbox_fd(sandbox) < 0)
			fail();
		running = start_all(sandbox, command, processes, count);
		watch(sandbox, processes, running, seconds);
		double began = seconds_now();
		viso_sandbox_close(sandbox);
		printf("\nall removed in %.2f s\n", seconds_now() - began);
	}
	for (int i = 0; i < running; i++)
		viso_process_unref(processes[i]);
	free(processes);
	viso_command_unref(command);
	viso_container_unref(container);
	return running == count ? 0 : 1;
}
