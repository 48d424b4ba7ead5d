/* SPDX-License-Identifier: MIT */
/* Host programs that are killed by SIGKILL at any moment of a thousand starts: nothing of them is left. */
#include "box.h"
#include "host.h"
#include "leftovers.h"
#include "marked.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { STARTS = 1000, HOSTS = 100, SECONDS = 90, LONGEST_LIFE_US = 200000 };

struct host {
	unsigned mark;
	unsigned seed;
	atomic_int *starts;
};

/* One that runs to its end, one that is given up, or one that stays. */
static void start_one(struct box *box, unsigned kind)
{
	viso_process *process = NULL;
	viso_command *command =
		kind % 3 == 0 ? probe("exit", "0", NULL) : shell("probe background 2; exec probe sleep");
	if (kind % 3 == 0)
		(void)!viso_sandbox_run(box->sandbox, command, NULL);
	else if (viso_sandbox_spawn(box->sandbox, command, &process) == 0 && kind % 3 == 1)
		viso_process_unref(process);
	viso_command_unref(command);
}

/* An instance, with commands in it, that is ended again. */
static void start_instance(unsigned kind)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	if (viso_sandbox_start(box->sandbox) == 0) {
		start_one(box, kind);
		start_one(box, kind + 1);
	}
	box_close(box);
}

static void busy_host(void *argument)
{
	struct host *host = argument;
	mark_this_process(host->mark);
	struct box *plain = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	struct box *limited = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	if (geteuid() == 0) {
		assert_ok(box_set_memory_max(limited, 64 << 20));
		assert_ok(box_set_processes_max(limited, 20));
	}
	for (;;) {
		unsigned kind = (unsigned)rand_r(&host->seed);
		atomic_fetch_add(host->starts, 1);
		if (kind % 5 == 0)
			start_instance(kind / 5);
		else
			start_one(kind % 2 ? plain : limited, kind / 2);
	}
}

static void test_killed_at_any_moment(void **state)
{
	atomic_int *starts = mmap(NULL, sizeof(*starts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct host host = {.seed = (unsigned)getpid(), .starts = starts};
	time_t begin = time(NULL);
	int hosts = 0;
	assert_ptr_not_equal(starts, MAP_FAILED);
	box_open(state);
	support_time_limit(2 * SECONDS);
	leftovers_begin();
	for (; (hosts < HOSTS || atomic_load(starts) < STARTS) && time(NULL) - begin < SECONDS; hosts++) {
		host.mark = mark_new();
		host.seed++;
		pid_t pid = host_start(busy_host, &host);
		/* The first ones meet the start of the launcher. */
		int life = hosts < HOSTS / 4 ? LONGEST_LIFE_US / 20 : LONGEST_LIFE_US;
		usleep((useconds_t)(rand_r(&host.seed) % life));
		host_kill(pid);
		assert_no_marked(host.mark);
	}
	printf("# seed %u: %d starts in %d hosts\n", (unsigned)getpid(), atomic_load(starts), hosts);
	assert_no_cgroups(NULL, 0);
	assert_int_equal(leftovers_count(NULL, 0), 0);
	munmap(starts, sizeof(*starts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_killed_at_any_moment),
	};
	return cmocka_run_group_tests_name("sudden death", tests, leftovers_set_up, leftovers_tear_down);
}
