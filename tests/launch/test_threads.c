/* SPDX-License-Identifier: MIT */
/* Starts from many threads of a large host at once. */
#include "box.h"
#include "host.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 16, STARTS = 12, HEAP = 256 << 20 };

struct worker {
	viso_isolation strength;
	struct box *box;
	int number;
	pthread_t thread;
};

static void *start_many(void *argument)
{
	struct worker *worker = argument;
	for (int i = 0; i < STARTS; i++) {
		char text[32], expected[33];
		snprintf(text, sizeof(text), "%d/%d", worker->number, i);
		if (i % 3 == 0) {
			/* A sandbox of this thread's own, with spawn. */
			struct box *own = box_new(worker->strength, box_tree());
			viso_process *process = box_spawn(own, probe("args", text, NULL));
			viso_result *result = box_wait(process);
			assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), text);
			assert_ended(result, VISO_REASON_EXITED, 0, 0);
			viso_process_unref(process);
			box_close(own);
		} else {
			/* The one that all share. */
			snprintf(expected, sizeof(expected), "%s\n", text);
			viso_command *command = shell("echo \"$WORD\"");
			assert_ok(viso_command_set_env(command, "WORD", text));
			assert_prints(worker->box, command, expected);
		}
	}
	return NULL;
}

static void large_host(void *argument)
{
	viso_isolation strength = *(viso_isolation *)argument;
	struct worker workers[THREADS];
	struct rlimit limit;
	char *heap = mmap(NULL, HEAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(heap != MAP_FAILED);
	for (size_t i = 0; i < HEAP; i += 4096)
		heap[i] = 1;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 2000;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < 500; i++)
		assert_true(open("/etc/passwd", O_RDONLY) >= 0);
	signal(SIGCHLD, SIG_IGN);
	struct box *box = box_new(strength, box_tree());
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.strength = strength, .box = box, .number = i};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, start_many, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	assert_prints(box, probe("fds", NULL), "0 1 2 \n");
	/* Its own two sockets and four channels, streams, 500 files: nothing else is open. */
	assert_true(support_count_fds() <= 514);
	box_close(box);
}

static void test_many_threads_of_a_large_host(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	in_a_host(large_host, &strength);
}

static void many_at_once(void *argument)
{
	enum { COUNT = 150 };
	viso_process *processes[COUNT];
	struct box *box = box_new(*(viso_isolation *)argument, box_tree());
	for (int i = 0; i < COUNT; i++)
		processes[i] = box_spawn(box, probe("sleep", NULL));
	assert_int_equal(viso_sandbox_signal(box->sandbox, SIGTERM), COUNT);
	for (int i = 0; i < COUNT; i++) {
		assert_ended(box_wait(processes[i]), VISO_REASON_SIGNALLED, -1, SIGTERM);
		viso_process_unref(processes[i]);
	}
	box_close(box);
}

static void test_many_commands_at_once(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	in_a_host(many_at_once, &strength);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_many_threads_of_a_large_host),
		AT_EACH_STRENGTH(test_many_commands_at_once),
	};
	return cmocka_run_group_tests_name("threads", tests, NULL, box_group_teardown);
}
