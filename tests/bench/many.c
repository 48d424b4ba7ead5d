/* SPDX-License-Identifier: MIT */
/*
 * Very many containers, through the library:
 *
 *   bench-many running COUNT    so many run `/pause` at once; prints the microseconds of a start at the beginning and
 * at the end (medians), the bytes of memory for each, and the microseconds to remove one bench-many rate MS THREADS how
 * many commands a second two prepared containers for each thread run
 *
 * The root is the directory named by VISO_BENCH_ROOT.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <virtiso.h>

#include "bench.h"

enum { SAMPLE = 50 };

static viso_root *root;

static void check(int r)
{
	if (r < 0) {
		fprintf(stderr, "bench-many: %s\n", viso_error_message());
		exit(1);
	}
}

static int64_t memory_available(void)
{
	char line[128];
	long long kib = -1;
	FILE *file = fopen("/proc/meminfo", "re");
	while (file && kib < 0 && fgets(line, sizeof(line), file))
		sscanf(line, "MemAvailable: %lld", &kib);
	if (file)
		fclose(file);
	return kib * 1024;
}

static int compare(const void *a, const void *b)
{
	int64_t difference = *(const int64_t *)a - *(const int64_t *)b;
	return difference < 0 ? -1 : difference > 0;
}

static int64_t median(int64_t *ns, int count)
{
	qsort(ns, (size_t)count, sizeof(*ns), compare);
	return ns[count / 2];
}

static viso_container *new_container(void)
{
	viso_container *container = viso_container_new();
	check(viso_container_set_root(container, root));
	return container;
}

static viso_command *new_command(const char *program)
{
	viso_command *command = viso_command_new(program);
	for (int i = VISO_STDIN; i <= VISO_STDERR; i++)
		check(viso_command_set_stdio(command, (viso_stream)i, VISO_STDIO_NULL));
	return command;
}

static void run_at_once(int count)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	viso_command *command = new_command("/pause");
	viso_container **containers = calloc((size_t)count, sizeof(*containers));
	viso_process **processes = calloc((size_t)count, sizeof(*processes));
	int64_t *ns = calloc((size_t)count, sizeof(*ns));
	if (!containers || !processes || !ns)
		exit(1);
	int64_t before = memory_available();
	for (int i = 0; i < count; i++) {
		int64_t begin = bench_now();
		containers[i] = new_container();
		check(viso_sandbox_spawn(viso_container_sandbox(containers[i]), command, &processes[i]));
		ns[i] = bench_now() - begin;
	}
	int64_t memory = (before - memory_available()) / count;
	int64_t begin = bench_now();
	for (int i = 0; i < count; i++)
		check(viso_process_kill(processes[i]));
	for (int i = 0; i < count; i++)
		check(viso_process_wait(processes[i], -1, NULL));
	int64_t removal = (bench_now() - begin) / count;
	for (int i = 0; i < count; i++) {
		viso_process_unref(processes[i]);
		viso_container_unref(containers[i]);
	}
	int sample = count < 2 * SAMPLE ? count / 2 : SAMPLE;
	/* The very first starts the launcher. */
	printf("%.1f %.1f %lld %.1f\n", (double)median(ns + 1, sample) / 1e3,
	       (double)median(ns + count - sample, sample) / 1e3, (long long)memory, (double)removal / 1e3);
	free(ns);
	free(processes);
	free(containers);
	viso_command_unref(command);
}

static struct {
	viso_container *container;
	viso_command *command;
	atomic_bool end;
	atomic_long commands;
} rate;

static void *run_on(void *unused)
{
	while (!atomic_load(&rate.end)) {
		check(viso_sandbox_run(viso_container_sandbox(rate.container), rate.command, NULL));
		atomic_fetch_add(&rate.commands, 1);
	}
	return unused;
}

static void measure_rate(int ms, int threads)
{
	pthread_t ids[64];
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};
	rate.container = new_container();
	rate.command = new_command("/true");
	check(viso_container_prepare(rate.container, (unsigned)(2 * threads)));
	int64_t begin = bench_now();
	for (int i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, run_on, NULL))
			exit(1);
	nanosleep(&time, NULL);
	atomic_store(&rate.end, true);
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	printf("%.0f\n", (double)atomic_load(&rate.commands) * 1e9 / (double)(bench_now() - begin));
	viso_command_unref(rate.command);
	viso_container_unref(rate.container);
}

int main(int argc, char **argv)
{
	const char *directory = getenv("VISO_BENCH_ROOT");
	bool running = argc == 3 && !strcmp(argv[1], "running");
	if (!directory || !(running || (argc == 4 && !strcmp(argv[1], "rate")))) {
		fputs("usage: VISO_BENCH_ROOT=DIRECTORY bench-many running COUNT | rate MS THREADS\n", stderr);
		return 2;
	}
	root = viso_root_new();
	check(viso_root_use_directory(root, directory));
	if (running)
		run_at_once(bench_count(argv[2]));
	else
		measure_rate(bench_count(argv[2]), bench_count(argv[3]) % 64);
	viso_root_unref(root);
	return 0;
}
