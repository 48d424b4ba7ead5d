/* SPDX-License-Identifier: MIT */
/*
 * clones: boots Linux once, freezes it, and has a hundred clones of it run a command each.
 *
 *     clones KERNEL [COUNT [SCRIPT]]
 *
 * The kernel is one of Debian's, say, whose modules lie in lib/modules beside the directory that it is in. All clones
 * run at once, in this process; what they do not change of the memory they share.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <virtiso.h>

static const char default_script[] = "echo clone $0 has $(head -c 8 /dev/urandom | od -An -tx1)";

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static void fail(void)
{
	fprintf(stderr, "clones: %s\n", viso_error_message());
	exit(1);
}

static void check(int r)
{
	if (r < 0)
		fail();
}

/* A computer whose first file system has busybox, and the guest tools. */
static viso_guest *boot(const char *kernel)
{
	viso_guest *guest = viso_guest_new();
	viso_root *root = viso_root_new();
	check(viso_root_add_program(root, "/bin/busybox"));
	check(viso_guest_set_root(guest, root));
	check(viso_guest_set_kernel(guest, kernel));
	check(viso_guest_set_memory_max(guest, 192u << 20));
	viso_root_unref(root);
	check(viso_sandbox_start(viso_guest_sandbox(guest)));
	return guest;
}

struct clone {
	pthread_t thread;
	viso_snapshot *snapshot;
	const char *script;
	int number;
	double ready_ms, done_ms; /* since it was made */
	viso_result *result;
};

static viso_command *make_command(const struct clone *clone)
{
	char number[16];
	viso_command *command = viso_command_new("/bin/busybox");
	snprintf(number, sizeof(number), "%d", clone->number);
	check(viso_command_add_arg(command, "sh"));
	check(viso_command_add_arg(command, "-c"));
	check(viso_command_add_arg(command, clone->script));
	check(viso_command_add_arg(command, number));
	check(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	check(viso_command_capture(command, 1 << 16));
	return command;
}

/* The first command would switch the computer on as well; so the two are told apart. */
static void *run_clone(void *data)
{
	struct clone *clone = data;
	viso_guest *guest = NULL;
	viso_command *command = make_command(clone);
	double begin = now_ms();
	check(viso_snapshot_clone(clone->snapshot, &guest));
	check(viso_sandbox_start(viso_guest_sandbox(guest)));
	clone->ready_ms = now_ms() - begin;
	check(viso_sandbox_run(viso_guest_sandbox(guest), command, &clone->result));
	clone->done_ms = now_ms() - begin;
	viso_command_unref(command);
	viso_guest_unref(guest);
	return NULL;
}

static void run_all(struct clone *clones, int count)
{
	double ready = 0, done = 0, begin = now_ms();
	for (int i = 0; i < count; i++)
		if (pthread_create(&clones[i].thread, NULL, run_clone, &clones[i]) != 0) {
			fprintf(stderr, "clones: not so many threads\n");
			exit(1);
		}
	for (int i = 0; i < count; i++)
		pthread_join(clones[i].thread, NULL);
	double took = now_ms() - begin;
	for (int i = 0; i < count; i++) {
		fputs(viso_result_output(clones[i].result, VISO_STDOUT, NULL), stdout);
		viso_result_unref(clones[i].result);
		ready += clones[i].ready_ms / count;
		done += clones[i].done_ms / count;
	}
	fprintf(stderr, "%d clones at once: ready after %.1f ms, done after %.1f ms on average; all within %.1f ms\n",
		count, ready, done, took);
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 100;
	if (argc < 2 || argc > 4 || count < 1 || count > 10000) {
		fprintf(stderr, "usage: clones KERNEL [COUNT [SCRIPT]]\n");
		return 2;
	}
	viso_snapshot *snapshot = NULL;
	double begin = now_ms();
	viso_guest *guest = boot(argv[1]);
	double booted = now_ms();
	check(viso_guest_snapshot(guest, &snapshot));
	fprintf(stderr, "booted in %.1f ms, frozen in %.1f ms: %.1f MiB\n", booted - begin, now_ms() - booted,
		(double)viso_snapshot_size(snapshot) / (1 << 20));

	struct clone *clones = calloc((size_t)count, sizeof(*clones));
	if (!clones)
		return 1;
	for (int i = 0; i < count; i++)
		clones[i] = (struct clone){
			.snapshot = snapshot, .script = argc > 3 ? argv[3] : default_script, .number = i};
	run_all(clones, count);
	free(clones);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	return 0;
}
