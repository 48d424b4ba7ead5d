/* SPDX-License-Identifier: MIT */
/*
 * bench-start jail|container|limited|prepared|exec|guest [--large-host] N: the time from a new handle to the result of
 * `/true` and the released handle, N times, through the library. "limited" is a container with control groups;
 * "prepared" is one container, of which two are kept prepared; "exec" one that runs.
 *
 * The root is the directory named by VISO_BENCH_ROOT. With --large-host this program first becomes one with 4 GiB of
 * touched memory and 64 threads: a start must not cost more there.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <virtiso.h>

#include "bench.h"

#define LARGE_HOST_MEMORY (4ull << 30)
#define LARGE_HOST_THREADS 64

static void check(int r)
{
	if (r < 0) {
		fprintf(stderr, "bench-start: %s\n", viso_error_message());
		exit(1);
	}
}

static void check_result(const viso_result *result)
{
	if (viso_result_exit_code(result) != 0) {
		fprintf(stderr, "bench-start: %s\n", viso_result_describe(result));
		exit(1);
	}
}

static void start_in_jail(viso_root *root, const viso_command *command)
{
	viso_result *result;
	viso_jail *jail = viso_jail_new();
	check(viso_jail_set_root(jail, root));
	check(viso_sandbox_run(viso_jail_sandbox(jail), command, &result));
	check_result(result);
	viso_result_unref(result);
	viso_jail_unref(jail);
}

static void run_and_release(viso_container *container, viso_root *root, const viso_command *command)
{
	viso_result *result;
	check(viso_container_set_root(container, root));
	check(viso_sandbox_run(viso_container_sandbox(container), command, &result));
	check_result(result);
	viso_result_unref(result);
	viso_container_unref(container);
}

static void start_in_container(viso_root *root, const viso_command *command)
{
	run_and_release(viso_container_new(), root, command);
}

static void start_limited(viso_root *root, const viso_command *command)
{
	viso_container *container = viso_container_new();
	check(viso_container_set_memory_max(container, 256 << 20));
	check(viso_container_set_processes_max(container, 64));
	run_and_release(container, root, command);
}

static viso_container *prepared; /* or running */

static void start_prepared(viso_root *root, const viso_command *command)
{
	viso_result *result;
	if (!prepared) {
		prepared = viso_container_new();
		check(viso_container_set_root(prepared, root));
		check(viso_container_prepare(prepared, 2));
	}
	check(viso_sandbox_run(viso_container_sandbox(prepared), command, &result));
	check_result(result);
	viso_result_unref(result);
}

static void exec_in_container(viso_root *root, const viso_command *command)
{
	viso_result *result;
	if (!prepared) {
		prepared = viso_container_new();
		check(viso_container_set_root(prepared, root));
		check(viso_sandbox_start(viso_container_sandbox(prepared)));
	}
	check(viso_sandbox_run(viso_container_sandbox(prepared), command, &result));
	check_result(result);
	viso_result_unref(result);
}

static void start_in_guest(viso_root *root, const viso_command *command)
{
	viso_result *result;
	viso_guest *guest = viso_guest_new();
	check(viso_guest_set_root(guest, root));
	check(viso_sandbox_run(viso_guest_sandbox(guest), command, &result));
	check_result(result);
	viso_result_unref(result);
	viso_guest_unref(guest);
}

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void become_large(void)
{
	/* Small pages, as a heap that grew over time has them: their page tables are what fork(2) would copy. */
	char *memory = mmap(NULL, LARGE_HOST_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || madvise(memory, LARGE_HOST_MEMORY, MADV_NOHUGEPAGE) < 0) {
		perror("bench-start: 4 GiB");
		exit(1);
	}
	for (uint64_t offset = 0; offset < LARGE_HOST_MEMORY; offset += 4096)
		memory[offset] = 1;
	for (int i = 0; i < LARGE_HOST_THREADS; i++) {
		pthread_t thread;
		int error = pthread_create(&thread, NULL, idle, NULL);
		if (error) {
			fprintf(stderr, "bench-start: 64 threads: %s\n", strerror(error));
			exit(1);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*start)(viso_root *, const viso_command *);
	} strengths[] = {{"jail", start_in_jail},      {"container", start_in_container}, {"limited", start_limited},
			 {"prepared", start_prepared}, {"exec", exec_in_container},       {"guest", start_in_guest}};
	bool large = argc == 4 && strcmp(argv[2], "--large-host") == 0;
	void (*start)(viso_root *, const viso_command *) = NULL;

	for (size_t i = 0; argc > 1 && i < sizeof(strengths) / sizeof(*strengths); i++)
		if (strcmp(argv[1], strengths[i].name) == 0)
			start = strengths[i].start;
	const char *directory = getenv("VISO_BENCH_ROOT");
	if (!start || !directory || argc != (large ? 4 : 3)) {
		fputs("usage: VISO_BENCH_ROOT=DIRECTORY bench-start jail|container|limited|prepared|exec|guest "
		      "[--large-host] N\n",
		      stderr);
		return 2;
	}
	int count = bench_count(argv[argc - 1]);
	int64_t *ns = calloc((size_t)count, sizeof(*ns));
	if (!ns)
		return 1;
	if (large)
		become_large();

	viso_root *root = viso_root_new();
	check(viso_root_use_directory(root, directory));
	viso_command *command = viso_command_new("/true");
	for (int i = 0; i < count; i++) {
		int64_t begin = bench_now();
		start(root, command);
		ns[i] = bench_now() - begin;
	}
	bench_print(ns, count);
	viso_container_unref(prepared);
	viso_command_unref(command);
	viso_root_unref(root);
	free(ns);
	return 0;
}
