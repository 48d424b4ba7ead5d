/* SPDX-License-Identifier: MIT */
/*
 * bench-guest-ring call|request|threads N: what a message and its answer take, N times, each in nanoseconds on a line
 * of its own and on the average of very many. Each side has a processor for itself.
 *
 *   call     a hypercall through the ring
 *   request  a request through the ring
 *   threads  the same between two threads, by nothing but two cache lines
 *
 * VISO_BENCH_RINGED names the program in the guest.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include <virtiso.h>

#include "bench.h"

enum { MESSAGES = 20000, POLL_US = 500, TIMEOUT_MS = 20000 };

static viso_guest *guest;

static void check(int64_t r)
{
	if (r < 0) {
		fprintf(stderr, "bench-guest-ring: %s\n", viso_error_message());
		exit(1);
	}
}

static void pin(pid_t thread, int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(thread, sizeof(set), &set) < 0) {
		perror("bench-guest-ring: two processors are needed: sched_setaffinity");
		exit(1);
	}
}

/* The youngest thread is the one that runs the guest. */
static void pin_guest(void)
{
	pid_t youngest = 0;
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *entry; tasks && (entry = readdir(tasks));)
		if (atoi(entry->d_name) > youngest)
			youngest = atoi(entry->d_name);
	if (tasks)
		closedir(tasks);
	pin(youngest, 1);
}

static int64_t answer(viso_hypercall *hypercall, void *userdata)
{
	return 0;
}

static void load(void)
{
	const char *path = getenv("VISO_BENCH_RINGED");
	viso_root *root = viso_root_new();
	viso_command *command = viso_command_new("/ringed");
	guest = viso_guest_new();
	check(viso_root_add_file(root, path ? path : "", "/ringed"));
	check(viso_guest_set_root(guest, root));
	check(viso_guest_set_ring(guest, POLL_US));
	check(viso_guest_set_hypercall_handler(guest, 0, answer, NULL, NULL));
	check(viso_guest_initialise(guest, command, NULL));
	pin_guest();
	viso_command_unref(command);
	viso_root_unref(root);
}

static int64_t measure_calls(void)
{
	const uint64_t count = MESSAGES;
	int64_t begin = bench_now();
	check(viso_guest_request(guest, &count, sizeof(count), NULL, 0, TIMEOUT_MS));
	return (bench_now() - begin) / MESSAGES;
}

static int64_t measure_requests(void)
{
	int64_t begin = bench_now();
	for (int i = 0; i < MESSAGES; i++)
		check(viso_guest_request(guest, NULL, 0, NULL, 0, TIMEOUT_MS));
	return (bench_now() - begin) / MESSAGES;
}

static _Alignas(128) uint32_t there;
static _Alignas(128) uint32_t back;

static void *send_back(void *data)
{
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		while (__atomic_load_n(&there, __ATOMIC_ACQUIRE) != i)
			__builtin_ia32_pause();
		__atomic_store_n(&back, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

static int64_t measure_threads(void)
{
	pthread_t thread;
	pthread_attr_t attributes;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(1, &set);
	there = back = 0;
	/* With real-time priority it would not come to move itself. */
	pthread_attr_init(&attributes);
	if (pthread_attr_setaffinity_np(&attributes, sizeof(set), &set) != 0 ||
	    pthread_create(&thread, &attributes, send_back, NULL) != 0)
		exit(1);
	pthread_attr_destroy(&attributes);
	int64_t begin = bench_now();
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		__atomic_store_n(&there, i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&back, __ATOMIC_ACQUIRE) != i)
			__builtin_ia32_pause();
	}
	int64_t end = bench_now();
	pthread_join(thread, NULL);
	return (end - begin) / MESSAGES;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int64_t (*measure)(void);
	} modes[] = {{"call", measure_calls}, {"request", measure_requests}, {"threads", measure_threads}};
	size_t mode = 0;
	while (argc == 3 && mode < 3 && strcmp(modes[mode].name, argv[1]) != 0)
		mode++;
	if (argc != 3 || mode == 3) {
		fprintf(stderr, "usage: bench-guest-ring call|request|threads N\n");
		return 2;
	}
	int count = bench_count(argv[2]);
	int64_t *ns = calloc((size_t)count, sizeof(*ns));
	pin(0, 0);
	if (modes[mode].measure != measure_threads)
		load();
	for (int i = 0; ns && i < count; i++)
		ns[i] = modes[mode].measure();
	bench_print(ns, ns ? count : 0);
	free(ns);
	viso_guest_unref(guest);
	return 0;
}
