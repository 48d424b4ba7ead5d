/* SPDX-License-Identifier: MIT */
/* scenarios TABLE: runs the table of scenarios through the C API; one case for each scenario and strength. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso.h>

#include "scenario_table.h"

static viso_machine *machine;
static viso_root *root;

struct test {
	const struct scenario *scenario;
	viso_isolation isolation;
};

static const char *const feature_names[] = {
	[VISO_FEATURE_MEMORY_LIMIT] = "memory_limit",
	[VISO_FEATURE_PROCESS_LIMIT] = "process_limit",
};

static void skip_without_feature(viso_feature feature)
{
	char missing[512];
	snprintf(missing, sizeof(missing), "%s: %s", viso_feature_name(feature), viso_machine_detail(machine, feature));
	skip_without(viso_machine_feature(machine, feature) == 1, missing);
}

static void skip_without_what_it_needs(const struct test *test)
{
	static const viso_feature strengths[] = {
		[VISO_ISOLATION_JAIL] = VISO_FEATURE_JAIL,
		[VISO_ISOLATION_CONTAINER] = VISO_FEATURE_CONTAINER,
		[VISO_ISOLATION_GUEST] = VISO_FEATURE_GUEST,
	};
	const struct scenario_entry *need = NULL;

	skip_without_feature(strengths[test->isolation]);
	while ((need = scenario_entry(test->scenario, "needs", need))) {
		size_t feature = 0;
		while (feature < sizeof(feature_names) / sizeof(feature_names[0]) &&
		       (!feature_names[feature] || strcmp(feature_names[feature], need->value) != 0))
			feature++;
		assert_true(feature < sizeof(feature_names) / sizeof(feature_names[0]));
		skip_without_feature((viso_feature)feature);
	}
}

static void set_streams(viso_command *command, const struct scenario *scenario)
{
	const struct scenario_entry *input = scenario_entry(scenario, "input", NULL);

	if (input)
		assert_ok(viso_command_set_input(command, input->value, input->size));
	if (!strcmp(scenario_text(scenario, "stdin", ""), "null"))
		assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(command, (size_t)scenario_number(scenario, "capture_max", 65536)));
	if (!strcmp(scenario_text(scenario, "stderr_to", ""), "stdout"))
		assert_ok(viso_command_set_stdio(command, VISO_STDERR, VISO_STDIO_STDOUT));
}

static viso_command *make_command(const struct scenario *scenario)
{
	const struct scenario_entry *entry = scenario_entry(scenario, "arg", NULL);
	viso_command *command = viso_command_new(entry->value);

	while ((entry = scenario_entry(scenario, "arg", entry)))
		assert_ok(viso_command_add_arg(command, entry->value));
	while ((entry = scenario_entry(scenario, "env", entry))) {
		char *equals = strchr(entry->value, '=');
		*equals = '\0';
		assert_ok(viso_command_set_env(command, entry->value, equals + 1));
		*equals = '=';
	}
	if (scenario_entry(scenario, "cwd", NULL))
		assert_ok(viso_command_set_cwd(command, scenario_text(scenario, "cwd", NULL)));
	if (scenario_entry(scenario, "user", NULL)) {
		unsigned id = (unsigned)scenario_number(scenario, "user", 0);
		assert_ok(viso_command_set_user(command, id, id));
	}
	if (scenario_entry(scenario, "open_files", NULL))
		assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_OPEN_FILES,
						  (uint64_t)scenario_number(scenario, "open_files", 0)));
	assert_ok(viso_command_set_timeout_ms(command, (uint64_t)scenario_number(scenario, "timeout_ms", 0)));
	assert_ok(viso_command_set_cpu_time_ms(command, (uint64_t)scenario_number(scenario, "cpu_time_ms", 0)));
	set_streams(command, scenario);
	return command;
}

/* Runs the command in a sandbox of its own, whose settings are the same calls at each strength. */
static int run(const struct test *test, viso_command *command, viso_result **out_result)
{
	uint64_t memory_max = (uint64_t)scenario_number(test->scenario, "memory_max", 0);
	int r;

#define RUN_IN(noun)                                                                                                   \
	do {                                                                                                           \
		viso_##noun *sandbox = viso_##noun##_new();                                                            \
		assert_non_null(sandbox);                                                                              \
		assert_ok(viso_##noun##_set_root(sandbox, root));                                                      \
		if (memory_max)                                                                                        \
			assert_ok(viso_##noun##_set_memory_max(sandbox, memory_max));                                  \
		r = viso_sandbox_run(viso_##noun##_sandbox(sandbox), command, out_result);                             \
		viso_##noun##_unref(sandbox);                                                                          \
	} while (0)

	if (test->isolation == VISO_ISOLATION_JAIL)
		RUN_IN(jail);
	else if (test->isolation == VISO_ISOLATION_CONTAINER)
		RUN_IN(container);
	else
		RUN_IN(guest);
	return r;
}

static int reason_by_name(const char *name)
{
	static const char *const names[] = {
		[VISO_REASON_EXITED] = "exited",
		[VISO_REASON_SIGNALLED] = "signalled",
		[VISO_REASON_TIMED_OUT] = "timed_out",
		[VISO_REASON_CPU_TIME] = "cpu_time",
		[VISO_REASON_OUT_OF_MEMORY] = "out_of_memory",
		[VISO_REASON_KILLED] = "killed",
		[VISO_REASON_SECCOMP] = "seccomp",
		[VISO_REASON_GUEST_FAULT] = "guest_fault",
	};
	for (int i = VISO_REASON_EXITED; i <= VISO_REASON_GUEST_FAULT; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

static void compare_output(const viso_result *result, viso_stream stream, const struct scenario_entry *expected)
{
	size_t size;
	const char *output = viso_result_output(result, stream, &size);

	if (size != (expected ? expected->size : 0) || (expected && memcmp(output, expected->value, size) != 0))
		print_error("stream %d: %zu bytes: %s\n", stream, size, output);
	assert_int_equal(size, expected ? expected->size : 0);
	if (expected)
		assert_memory_equal(output, expected->value, size);
}

static void compare(const viso_result *result, const struct scenario *scenario)
{
	int reason = reason_by_name(scenario_text(scenario, "reason", "exited"));

	if (viso_result_reason(result) != reason)
		print_error("%s\n%s", viso_result_describe(result), viso_result_output(result, VISO_STDERR, NULL));
	assert_int_equal(viso_result_reason(result), reason);
	assert_int_equal(viso_result_exit_code(result), scenario_number(scenario, "exit", 0));
	if (scenario_entry(scenario, "signal", NULL))
		assert_int_equal(viso_result_signal(result), scenario_number(scenario, "signal", 0));
	compare_output(result, VISO_STDOUT, scenario_entry(scenario, "stdout", NULL));
	compare_output(result, VISO_STDERR, scenario_entry(scenario, "stderr", NULL));
	assert_int_equal(viso_result_output_truncated(result, VISO_STDOUT),
			 !strcmp(scenario_text(scenario, "truncated", "no"), "yes"));
}

static void test_scenario(void **state)
{
	const struct test *test = *state;
	viso_result *result = NULL;

	skip_without_what_it_needs(test);
	viso_command *command = make_command(test->scenario);
	int r = run(test, command, &result);
	if (scenario_entry(test->scenario, "error", NULL)) {
		assert_int_equal(r, -scenario_number(test->scenario, "error", 0));
		assert_string_equal(viso_stage_name(viso_error_stage()), scenario_text(test->scenario, "stage", ""));
		assert_null(result);
	} else {
		if (r < 0)
			support_print_error("viso_sandbox_run", r);
		assert_int_equal(r, 0);
		compare(result, test->scenario);
	}
	viso_result_unref(result);
	viso_command_unref(command);
}

static int set_up(void **state)
{
	machine = viso_machine_new();
	root = viso_root_new();
	if (!machine || !root || viso_root_add_program(root, "/bin/busybox") < 0 ||
	    viso_root_add_data(root, "/etc/scenario", "from the root\n", 14, 0644) < 0) {
		support_print_error("the root", -1);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	root = viso_root_unref(root);
	machine = viso_machine_unref(machine);
	return 0;
}

int main(int argc, char **argv)
{
	size_t scenario_count, count = 0;
	struct scenario *scenarios = argc == 2 ? scenario_table_read(argv[1], &scenario_count) : NULL;
	if (!scenarios)
		return 2;
	struct CMUnitTest *tests = calloc(3 * scenario_count, sizeof(*tests));
	struct test *states = calloc(3 * scenario_count, sizeof(*states));

	for (size_t i = 0; tests && states && i < scenario_count; i++) {
		for (viso_isolation isolation = VISO_ISOLATION_JAIL; isolation <= VISO_ISOLATION_GUEST; isolation++) {
			const char *name = viso_isolation_name(isolation);
			if (!strstr(scenario_text(&scenarios[i], "in", "jail container guest"), name))
				continue;
			char *title = NULL;
			if (asprintf(&title, "%s: %s", scenarios[i].name, name) < 0)
				return 2;
			states[count] = (struct test){&scenarios[i], isolation};
			tests[count] = (struct CMUnitTest){title, test_scenario, NULL, NULL, &states[count]};
			count++;
		}
	}
	/* Not the macro, which takes the number of cases from the type of an array. */
	int failed = _cmocka_run_group_tests("scenarios", tests, count, set_up, tear_down);
	for (size_t i = 0; i < count; i++)
		free((char *)tests[i].name);
	free(tests);
	free(states);
	scenario_table_free(scenarios, scenario_count);
	return failed;
}
