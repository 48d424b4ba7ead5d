/* SPDX-License-Identifier: MIT */
/*
 * Every system call of a start, in the host program, the launcher and all that it makes, fails once: the start works
 * nevertheless or fails with an error that says what it failed on; the next one in the same host program works; and
 * nothing is left when that has ended. `VISO_FAULTS=all` tries every error that each call may give, else the most
 * telling one is taken; `VISO_FAULTS='openat of worker, no 3: EMFILE'` stands for one of them.
 */
#include "box.h"
#include "errors.h"
#include "leftovers.h"
#include "tracer.h"
#include "tree.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum wanted { ERRORS, KILLS };
enum { SECONDS = 20, WAIT_MS = 10000, PROGRAM_EXIT = 3, MEANWHILE_US = 10000 };

/* How a start is made. */
struct scenario {
	viso_isolation strength;
	bool to_end;  /* viso_sandbox_run() */
	bool again;   /* one has run before */
	bool limited; /* in control groups */
	bool full;    /* with settings of every kind */
	bool stays;   /* in an instance, by viso_sandbox_start() */
	int more;     /* starts after that, with a pause before each */
};

/* What the host found, for the test. */
struct finding {
	int result; /* of the start or of what followed */
	int error_number;
	int stage;
	char object[256];
	char message[512];
	int fds;       /* that are left before the host ends */
	bool complete; /* the host got to its end */
	char complaint[256];
};

struct host {
	struct scenario scenario;
	bool may_be_killed; /* the command with what was killed */
	struct finding *finding;
};

static void set_mounts(viso_container *container)
{
	static const char text[] = "127.0.0.1 localhost\n";
	assert_ok(viso_container_set_upper_discarded(container, 1 << 20));
	assert_ok(viso_container_add_bind(container, "/usr/bin", "/bound", VISO_MOUNT_READ_ONLY));
	assert_ok(viso_container_add_tmpfs(container, "/scratch", 1 << 20, 0755, VISO_MOUNT_NO_EXEC));
	assert_ok(viso_container_add_file(container, "/etc/hosts", text, sizeof(text) - 1, 0644));
	assert_ok(viso_container_add_filesystem(container, "mqueue", "/dev/mqueue", 0));
	assert_ok(viso_container_add_read_only(container, "/proc/sys"));
	assert_ok(viso_container_add_mask(container, "/proc/timer_list"));
}

static void set_everything(viso_container *container)
{
	set_mounts(container);
	assert_ok(viso_container_set_hostname(container, "full"));
	assert_ok(viso_container_set_domainname(container, "example.org"));
	assert_ok(viso_container_set_sysctl(container, "net.ipv4.ip_default_ttl", "63"));
	if (geteuid() == 0) /* it belongs to the namespace's root, whom an ordinary user's container has not */
		assert_ok(viso_container_set_sysctl(container, "fs.mqueue.msg_max", "7"));
	assert_ok(viso_container_set_clock_offset(container, VISO_CLOCK_MONOTONIC, 1000000000));
	assert_ok(viso_container_add_capability(container, "net_bind_service"));
	assert_ok(viso_container_add_syscall_rule(container, "chmod", VISO_SYSCALL_NOTIFY, 0));
	assert_ok(viso_container_add_landlock_path(container, "/",
						   VISO_LANDLOCK_READ | VISO_LANDLOCK_WRITE | VISO_LANDLOCK_EXECUTE));
}

static struct box *open_host_box(const struct scenario *scenario)
{
	struct box *box = box_new(scenario->strength, box_tree());
	if (scenario->limited) {
		assert_ok(box_set_memory_max(box, 64 << 20));
		assert_ok(box_set_processes_max(box, 20));
	}
	if (scenario->full)
		set_everything(box->container);
	return box;
}

#define COMPLAIN(finding, ...) snprintf((finding)->complaint, sizeof((finding)->complaint), __VA_ARGS__)

static int start(const struct scenario *scenario, struct box *box, viso_result **result)
{
	viso_command *command = shell("echo text; exit 3");
	viso_process *process = NULL;
	int r = scenario->stays ? viso_sandbox_start(box->sandbox) : 0;
	if (r < 0) {
		viso_command_unref(command);
		return r;
	}
	if (scenario->to_end) {
		r = viso_sandbox_run(box->sandbox, command, result);
	} else {
		r = viso_sandbox_spawn(box->sandbox, command, &process);
		if (r == 0)
			r = viso_process_wait(process, WAIT_MS, result);
		viso_process_unref(process);
	}
	viso_command_unref(command);
	return r;
}

static void note_error(struct finding *finding, int result)
{
	finding->result = result;
	finding->error_number = viso_error_number();
	finding->stage = (int)viso_error_stage();
	snprintf(finding->object, sizeof(finding->object), "%s", viso_error_object());
	snprintf(finding->message, sizeof(finding->message), "%s", viso_error_message());
	if (result != -finding->error_number || finding->stage == VISO_STAGE_NONE || !finding->message[0])
		COMPLAIN(finding, "the error does not say what failed");
	if (!finding->object[0] && result != -ENOMEM)
		COMPLAIN(finding, "the error has no object");
}

static void check_result(struct finding *finding, const viso_result *result, bool may_be_killed)
{
	if (may_be_killed && viso_result_signal(result) == SIGKILL)
		return;
	const char *text = viso_result_output(result, VISO_STDOUT, NULL);
	bool whole = !strcmp(text, "text\n") || viso_result_output_truncated(result, VISO_STDOUT);
	if (viso_result_reason(result) != (int)VISO_REASON_EXITED || viso_result_exit_code(result) != PROGRAM_EXIT ||
	    !whole)
		COMPLAIN(finding, "it %s and printed '%.20s'", viso_result_describe(result), text);
}

static void host(void *argument)
{
	const struct host *self = argument;
	struct finding *finding = self->finding;
	struct box *box = open_host_box(&self->scenario);
	viso_result *result = NULL;
	if (self->scenario.again) {
		assert_ok(start(&self->scenario, box, &result));
		check_result(finding, result, false);
		viso_result_unref(result);
		result = NULL;
	}
	viso_error_clear();

	tracer_phase(PHASE_START);
	int r = start(&self->scenario, box, &result);
	for (int i = 0; i < self->scenario.more && r == 0; i++) {
		check_result(finding, result, self->may_be_killed);
		viso_result_unref(result);
		result = NULL;
		usleep(MEANWHILE_US);
		r = start(&self->scenario, box, &result);
	}
	tracer_phase(PHASE_OTHER);

	if (r < 0)
		note_error(finding, r);
	else
		check_result(finding, result, self->may_be_killed);
	if (r < 0 && result)
		COMPLAIN(finding, "a failed call has given a result");
	viso_result_unref(result);
	result = NULL;
	/* An instance that was killed stays so. */
	struct box *next = self->scenario.stays && self->may_be_killed ? open_host_box(&self->scenario) : box;
	r = start(&self->scenario, next, &result);
	if (r < 0)
		COMPLAIN(finding, "the next start failed: %s", viso_error_message());
	else
		check_result(finding, result, false);
	viso_result_unref(result);
	if (next != box)
		box_close(next);
	tracer_phase(PHASE_END);
	box_close(box);
	tracer_phase(PHASE_OTHER);
	finding->fds = support_count_fds();
	finding->complete = true;
	tracer_phase(PHASE_END);
}

static void describe(char *text, size_t size, const struct fault *fault)
{
	static const char *const phases[] = {"", "start", "end"};
	snprintf(text, size, "%s: %s of %s, no %d: %s", phases[fault->point.phase], name_of_call(fault->point.number),
		 fault->point.part, fault->point.occurrence, fault->killed ? "SIGKILL" : strerrorname_np(fault->error));
}

static bool holds(const char *text, bool condition, const char *what)
{
	if (!condition)
		print_error("%s: %s\n", text, what);
	return condition;
}

/* One run with the fault; whether all was as it should be. */
static bool survives(struct host *self, const struct fault *fault, int fds, int *met)
{
	struct trace_outcome outcome;
	char text[128];
	leftovers_begin();
	*self->finding = (struct finding){0};
	trace(host, self, fault, SECONDS, NULL, &outcome);
	*met += outcome.met;
	describe(text, sizeof(text), fault);
	if (getenv("VISO_FAULTS_VERBOSE"))
		printf("# %s -> %d %s: %s\n", text, self->finding->result, self->finding->object,
		       self->finding->message);
	bool host_killed = fault->killed && outcome.met && !strcmp(fault->point.part, "host");
	bool sound = holds(text, !outcome.hung, outcome.text);
	sound &= holds(text, outcome.hung || host_killed || self->finding->complete,
		       "the host program did not come to its end");
	sound &= holds(text, !self->finding->complaint[0], self->finding->complaint);
	sound &= holds(text, self->finding->fds <= fds, "fds are left");
	sound &= holds(text, leftovers_count(outcome.pids, outcome.pid_count) == 0, "something is left");
	if (!sound)
		print_error("  the start gave %d: %s (%s)\n", self->finding->result, self->finding->message,
			    self->finding->object);
	return sound;
}

/*
 * libseccomp asks in this way, with arguments that are not sound, what the kernel knows, and remembers the answer for
 * ever. And waking somebody by a futex cannot fail.
 */
static bool is_spared(const struct call_point *point)
{
	return (point->number == SYS_seccomp && !strcmp(point->part, "host")) ||
	       (point->number == SYS_futex && !strcmp(point->part, "worker"));
}

static bool is_among(const struct call_list *calls, const struct call_point *point)
{
	for (size_t i = 0; i < calls->count; i++)
		if (!memcmp(&calls->points[i], point, sizeof(*point)))
			return true;
	return false;
}

/* Loops make the same call again and again: the first ones and the last stand for all where not all is wanted. */
static bool is_chosen(const struct call_list *calls, const struct call_point *point, bool all)
{
	enum { SOME = 3 };
	struct call_point next = *point;
	next.occurrence++;
	if (is_spared(point))
		return false;
	if (all || point->occurrence <= SOME)
		return true;
	return !is_among(calls, &next) || point->number != SYS_prctl;
}

/* All faults that are wanted at one call. How many did harm; counts those that were tried and met. */
static int try_faults(struct host *self, const struct call_point *point, enum wanted wanted, int fds, int *tried,
		      int *met)
{
	static const int once[] = {1, 0};
	const char *option = getenv("VISO_FAULTS");
	const bool all = option && !strcmp(option, "all");
	const int *errors = wanted == KILLS ? once : errors_of_call(point->number);
	int failed = 0;
	for (int j = 0; errors && errors[j] && (j == 0 || option); j++) {
		struct fault fault = {.point = *point, .error = errors[j], .killed = wanted == KILLS};
		char text[128];
		describe(text, sizeof(text), &fault);
		if (option && !all && !strstr(text, option))
			continue;
		++*tried;
		failed += !survives(self, &fault, fds, met);
	}
	return failed;
}

static void test_each_call(void **state, const struct scenario *scenario, enum wanted wanted)
{
	const char *option = getenv("VISO_FAULTS");
	struct host self = {.scenario = *scenario, .may_be_killed = wanted == KILLS};
	struct call_list calls = {0};
	struct trace_outcome outcome;
	skip_without(tracer_works(), "a processor whose system calls can be made to fail");
	box_open(state);
	support_time_limit(0);
	self.scenario.limited &= geteuid() == 0;
	self.finding = mmap(NULL, sizeof(*self.finding), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(self.finding, MAP_FAILED);

	trace(host, &self, NULL, SECONDS, &calls, &outcome);
	if (outcome.hung)
		print_error("%s\n", outcome.text);
	assert_false(outcome.hung);
	assert_string_equal(self.finding->complaint, "");
	assert_true(self.finding->complete);
	const int fds = self.finding->fds;

	/* Those of a start without more of them have a test of their own. */
	struct call_list known = {0};
	self.scenario.more = 0;
	if (scenario->more)
		trace(host, &self, NULL, SECONDS, &known, &outcome);
	self.scenario.more = scenario->more;

	int tried = 0, met = 0, failed = 0;
	for (size_t i = 0; i < calls.count; i++)
		if (!is_among(&known, &calls.points[i]) &&
		    is_chosen(&calls, &calls.points[i], option && !strcmp(option, "all")))
			failed += try_faults(&self, &calls.points[i], wanted, fds, &tried, &met);
	printf("# %zu calls; %d faults, %d met\n", calls.count, tried, met);
	assert_int_equal(failed, 0);
	/* Which process does what when is not quite the same each time. */
	assert_true(option || met > tried * 3 / 4);
	munmap(self.finding, sizeof(*self.finding));
	free(known.points);
	free(calls.points);
}

static void test_first_start(void **state)
{
	test_each_call(state, &(struct scenario){.strength = VISO_ISOLATION_CONTAINER, .limited = true}, ERRORS);
}

static void test_next_start(void **state)
{
	test_each_call(state, &(struct scenario){.strength = VISO_ISOLATION_CONTAINER, .to_end = true, .again = true},
		       ERRORS);
}

/* Meanwhile the launcher makes what later containers are cloned from; without it they are made as the first. */
static void test_later_starts(void **state)
{
	test_each_call(
		state,
		&(struct scenario){.strength = VISO_ISOLATION_CONTAINER, .to_end = true, .again = true, .more = 1},
		ERRORS);
}

/* By spawning: what viso_sandbox_run() keeps may just be killed when the next start takes it, and that is told. */
static void test_death_at_later_starts(void **state)
{
	test_each_call(state, &(struct scenario){.strength = VISO_ISOLATION_CONTAINER, .again = true, .more = 1},
		       KILLS);
}

static void test_start_with_all_settings(void **state)
{
	test_each_call(state, &(struct scenario){.strength = VISO_ISOLATION_CONTAINER, .again = true, .full = true},
		       ERRORS);
}

static void test_start_in_an_instance(void **state)
{
	test_each_call(state, &(struct scenario){.strength = VISO_ISOLATION_CONTAINER, .limited = true, .stays = true},
		       ERRORS);
}

static void test_death_about_an_instance(void **state)
{
	test_each_call(state, &(struct scenario){.strength = VISO_ISOLATION_CONTAINER, .limited = true, .stays = true},
		       KILLS);
}

/* Somebody kills one of the processes as it makes a call. */
static void test_death_at_each_call(void **state)
{
	test_each_call(state, &(struct scenario){.strength = VISO_ISOLATION_CONTAINER, .limited = true}, KILLS);
}

static const struct {
	const char *name;
	struct CMUnitTest test;
} tests[] = {
	{"first", AT_CONTAINER(test_first_start)},
	{"next", AT_CONTAINER(test_next_start)},
	{"later", AT_CONTAINER(test_later_starts)},
	{"full", AT_CONTAINER(test_start_with_all_settings)},
	{"instance", AT_CONTAINER(test_start_in_an_instance)},
	{"death", AT_CONTAINER(test_death_at_each_call)},
	{"later-death", AT_CONTAINER(test_death_at_later_starts)},
	{"instance-death", AT_CONTAINER(test_death_about_an_instance)},
};

/* Those that are named. */
int main(int argc, char **argv)
{
	struct CMUnitTest chosen[sizeof(tests) / sizeof(tests[0])];
	size_t count = 0;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		for (int j = 1; j < argc; j++)
			if (!strcmp(argv[j], tests[i].name))
				chosen[count++] = tests[i].test;
	return _cmocka_run_group_tests("faults of a start", chosen, count, leftovers_set_up, leftovers_tear_down);
}
