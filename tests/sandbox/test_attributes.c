/* SPDX-License-Identifier: MIT */
/* What a command sets of its process: OOM score, CPUs, nice value, scheduling policy, umask. */
#include "box.h"
#include "outside.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FIELD_NICE = 19, FIELD_PRIORITY = 40, FIELD_POLICY = 41 };

/* A command that sleeps, with the attribute that `set` gives it; the next one of the same sandbox is without. */
static void with_and_without(struct box *box, void (*set)(viso_command *), void (*check)(int pid, bool is_set))
{
	viso_command *command = probe("sleep", NULL);
	set(command);
	for (int i = 0; i < 2; i++) {
		viso_process *process = box_spawn(box, viso_command_ref(command));
		viso_process *other = box_spawn(box, probe("sleep", NULL));
		check(viso_process_pid(process), true);
		check(viso_process_pid(other), false);
		viso_process_unref(process);
		viso_process_unref(other);
		/* By a run to the end, which keeps its worker for the next one. */
		assert_ok(viso_command_set_timeout_ms(command, 20));
		assert_ok(viso_sandbox_run(box->sandbox, command, NULL));
		assert_ok(viso_command_set_timeout_ms(command, 0));
	}
	viso_command_unref(command);
}

static void set_score(viso_command *command)
{
	assert_ok(viso_command_set_oom_score_adj(command, 700));
}

static void check_score(int pid, bool is_set)
{
	char score[32];
	outside_read(pid, "oom_score_adj", score, sizeof(score));
	assert_true(is_set == !strcmp(score, "700\n"));
}

static void test_oom_score(void **state)
{
	struct box *box = box_open(state);
	with_and_without(box, set_score, check_score);
}

static void test_oom_score_without_privilege(void **state)
{
	struct box *box = box_open(state);
	char status[32];
	skip_without(!(strtoull(outside_status(getpid(), "CapEff", status, sizeof(status)), NULL, 16) >> 24 & 1),
		     "a caller without CAP_SYS_RESOURCE");
	viso_command *command = probe("exit", NULL);
	assert_ok(viso_command_set_oom_score_adj(command, -700));
	assert_start_fails(box, command, EACCES, VISO_STAGE_RLIMIT, "oom_score_adj");
}

static void set_cpu(viso_command *command)
{
	assert_ok(viso_command_set_cpu_affinity(command, "1,4095"));
}

static void check_cpu(int pid, bool is_set)
{
	char list[256];
	outside_status(pid, "Cpus_allowed_list", list, sizeof(list));
	assert_true(is_set == !strcmp(list, "1"));
}

static void test_affinity(void **state)
{
	struct box *box = box_open(state);
	cpu_set_t cpus;
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	skip_without(CPU_COUNT(&cpus) > 1 && CPU_ISSET(1, &cpus), "a second CPU");
	with_and_without(box, set_cpu, check_cpu);
}

static void test_no_such_cpu(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("exit", NULL);
	assert_ok(viso_command_set_cpu_affinity(command, "8000-8191"));
	assert_start_fails(box, command, EINVAL, VISO_STAGE_RLIMIT, "sched_setaffinity");
}

static void set_nice_up(viso_command *command)
{
	assert_ok(viso_command_set_nice(command, 7));
}

static void set_nice_down(viso_command *command)
{
	assert_ok(viso_command_set_nice(command, -7));
}

static void check_nice_up(int pid, bool is_set)
{
	assert_int_equal(outside_stat(pid, FIELD_NICE), is_set ? 7 : getpriority(PRIO_PROCESS, 0));
}

static void check_nice_down(int pid, bool is_set)
{
	assert_int_equal(outside_stat(pid, FIELD_NICE), is_set ? -7 : getpriority(PRIO_PROCESS, 0));
}

static void test_nice(void **state)
{
	struct box *box = box_open(state);
	with_and_without(box, set_nice_up, check_nice_up);
}

static void test_nice_below_the_hosts(void **state)
{
	struct box *box = box_open(state);
	if (geteuid() == 0) {
		with_and_without(box, set_nice_down, check_nice_down);
		return;
	}
	viso_command *command = probe("exit", NULL);
	set_nice_down(command);
	assert_start_fails(box, command, EACCES, VISO_STAGE_RLIMIT, "setpriority");
}

static void set_batch(viso_command *command)
{
	assert_ok(viso_command_set_scheduler(command, VISO_SCHEDULER_BATCH, 0));
}

static void check_batch(int pid, bool is_set)
{
	assert_int_equal(outside_stat(pid, FIELD_POLICY), is_set ? SCHED_BATCH : SCHED_OTHER);
}

static void set_round_robin(viso_command *command)
{
	assert_ok(viso_command_set_scheduler(command, VISO_SCHEDULER_RR, 3));
}

static void check_round_robin(int pid, bool is_set)
{
	assert_int_equal(outside_stat(pid, FIELD_POLICY), is_set ? SCHED_RR : SCHED_OTHER);
	assert_int_equal(outside_stat(pid, FIELD_PRIORITY), is_set ? 3 : 0);
}

static void test_scheduler(void **state)
{
	struct box *box = box_open(state);
	with_and_without(box, set_batch, check_batch);
}

static void test_real_time(void **state)
{
	struct box *box = box_open(state);
	if (geteuid() == 0) {
		struct sched_param param = {.sched_priority = 3}, usual = {0};
		/* A control group without time for it (CONFIG_RT_GROUP_SCHED) refuses it to anybody. */
		bool allowed = sched_setscheduler(0, SCHED_RR, &param) == 0;
		sched_setscheduler(0, SCHED_OTHER, &usual);
		skip_without(allowed, "real-time scheduling");
		with_and_without(box, set_round_robin, check_round_robin);
		return;
	}
	viso_command *command = probe("exit", NULL);
	set_round_robin(command);
	assert_start_fails(box, command, EPERM, VISO_STAGE_RLIMIT, "sched_setscheduler");
}

static void test_umask(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("inherited", NULL);
	assert_ok(viso_command_set_umask(command, 0137));
	assert_prints(box, viso_command_ref(command), "umask 137\n");
	assert_prints(box, probe("inherited", NULL), "umask 022\n");
	assert_ok(viso_command_set_umask(command, 0));
	assert_prints(box, command, "umask 000\n");
}

static void test_all_at_once(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("sleep", NULL);
	set_score(command);
	set_nice_up(command);
	set_batch(command);
	assert_ok(viso_command_set_cpu_affinity(command, "0-4000"));
	viso_process *process = box_spawn(box, command);
	check_score(viso_process_pid(process), true);
	check_nice_up(viso_process_pid(process), true);
	check_batch(viso_process_pid(process), true);
	viso_process_unref(process);
}

static void refuse(struct box *box, viso_command *command)
{
	assert_start_fails(box, command, EOPNOTSUPP, VISO_STAGE_COMMAND, "attributes");
}

static void test_none_in_a_guest(void **state)
{
	struct box *box = box_open(state);
	viso_command *command[5];
	for (int i = 0; i < 5; i++)
		command[i] = probe("exit", NULL);
	set_score(command[0]);
	set_cpu(command[1]);
	set_nice_up(command[2]);
	set_batch(command[3]);
	assert_ok(viso_command_set_umask(command[4], 022));
	for (int i = 0; i < 5; i++)
		refuse(box, command[i]);
}

static void test_arguments(void **state)
{
	static const char *const lists[] = {"",    ",",   "1,",   "1-",     "-1", "3-1",  "1--2",
					    "1 2", "0x1", "8192", "0-8192", "a",  "1,,2", "99999999999999999999"};
	viso_command *command = viso_command_new("/bin/true");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		assert_fails(viso_command_set_cpu_affinity(command, lists[i]), EINVAL, VISO_STAGE_ARGUMENT, lists[i]);
	assert_fails(viso_command_set_cpu_affinity(command, NULL), EINVAL, VISO_STAGE_ARGUMENT, "affinity");
	assert_ok(viso_command_set_cpu_affinity(command, "0"));
	assert_ok(viso_command_set_cpu_affinity(command, "0-8191,3,5-6"));
	assert_fails(viso_command_set_oom_score_adj(command, 1001), EINVAL, VISO_STAGE_ARGUMENT, "oom");
	assert_fails(viso_command_set_oom_score_adj(command, -1001), EINVAL, VISO_STAGE_ARGUMENT, "oom");
	assert_fails(viso_command_set_nice(command, 20), EINVAL, VISO_STAGE_ARGUMENT, "nice");
	assert_fails(viso_command_set_nice(command, -21), EINVAL, VISO_STAGE_ARGUMENT, "nice");
	assert_fails(viso_command_set_scheduler(command, (viso_scheduler)4, 0), EINVAL, VISO_STAGE_ARGUMENT, "sched");
	assert_fails(viso_command_set_scheduler(command, VISO_SCHEDULER_FIFO, 0), EINVAL, VISO_STAGE_ARGUMENT, "sched");
	assert_fails(viso_command_set_scheduler(command, VISO_SCHEDULER_RR, 100), EINVAL, VISO_STAGE_ARGUMENT, "sched");
	assert_fails(viso_command_set_scheduler(command, VISO_SCHEDULER_IDLE, 1), EINVAL, VISO_STAGE_ARGUMENT, "sched");
	assert_fails(viso_command_set_umask(command, 01000), EINVAL, VISO_STAGE_ARGUMENT, "umask");
	viso_command_unref(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		AT_EACH_STRENGTH(test_oom_score),
		AT_EACH_STRENGTH(test_oom_score_without_privilege),
		AT_EACH_STRENGTH(test_affinity),
		AT_EACH_STRENGTH(test_no_such_cpu),
		AT_EACH_STRENGTH(test_nice),
		AT_EACH_STRENGTH(test_nice_below_the_hosts),
		AT_EACH_STRENGTH(test_scheduler),
		AT_EACH_STRENGTH(test_real_time),
		AT_EACH_STRENGTH(test_umask),
		AT_EACH_STRENGTH(test_all_at_once),
		AT_GUEST(test_none_in_a_guest),
	};
	return cmocka_run_group_tests_name("attributes", tests, NULL, box_group_teardown);
}
