/* SPDX-License-Identifier: MIT */
/* Real programs over files of the root give what they give on the host. */
#include "guest_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void need_busybox(void)
{
	need_kvm();
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox (Debian package busybox-static)");
}

/* Runs `busybox` with the words of a line in guest and host, each with the root as directory, and compares. */
static void compare(struct fixture *fixture, const char *line)
{
	viso_command *command = new_command("busybox", NULL);
	char *words = strdup(line), *rest = words, *host_line;
	size_t size;
	FILE *memory = open_memstream(&host_line, &size);
	fprintf(memory, "cd %s && /bin/busybox", fixture->root_path);
	for (char *word; (word = strsep(&rest, " "));) {
		assert_ok(viso_command_add_arg(command, word));
		fprintf(memory, " '%s'", word);
	}
	fclose(memory);
	char *expected = host_output(host_line);
	assert_true(strlen(expected) > 0);
	assert_output(run_in(fixture->guest, command), expected);
	free(expected);
	free(host_line);
	free(words);
}

static void test_busybox_works_on_files(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	compare(fixture, "cat fruit table");
	compare(fixture, "sha256sum data fruit large");
	compare(fixture, "md5sum dir/sub/../../data");
	compare(fixture, "sort -r fruit");
	compare(fixture, "sort -k2 -n table");
	compare(fixture, "awk {s+=$2}END{print(s)} table");
	compare(fixture, "ls -l dir");
	compare(fixture, "ls -ln inner/");
	compare(fixture, "ls many");
	compare(fixture, "find dir");
	compare(fixture, "wc large");
	compare(fixture, "tail -c 5000 large");
	compare(fixture, "stat -c %s:%a:%h data");
	compare(fixture, "readlink inner");
	compare(fixture, "grep -n a fruit table");
	compare(fixture, "head -n 1 fruit");
	compare(fixture, "cut -d a -f 1 fruit");
}

static void test_busybox_shell_and_echo(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	assert_output(run(fixture, "/bin/busybox", "echo", "hello", "wor ld"), "hello wor ld\n");
	assert_output(run(fixture, "busybox", "sh", "-c",
			  "cd inner && pwd && echo $((6*7)) && test -e link && read -r x <link && echo $x"),
		      "/inner\n42\npear\n");
	assert_exited(run(fixture, "busybox", "false"), 1);
	assert_exited(run(fixture, "busybox", "cat", "/no/such/file"), 1);
}

static void test_exit_codes(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_exited(run(fixture, "/probe", "exit", "0"), 0);
	assert_exited(run(fixture, "/probe", "exit", "3"), 3);
	assert_exited(run(fixture, "/probe", "exit", "255"), 255);
	assert_exited(run(fixture, "/probe", "exit", "256"), 0);
}

static void test_kinds_of_programs(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_output(run(fixture, "/probe-pie", "arguments", "a"), "3\na\n");
	assert_output(run(fixture, "/probe", "arguments", "a", "", "b c"), "5\na\n\nb c\n");
	assert_output(run(fixture, "/script", "x"), "4\n/script\nx\n");
}

static void test_a_dynamic_program_with_its_libraries(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_root *root = viso_root_new();
	char *path;
	assert_true(asprintf(&path, "%s/probe-dynamic", fixture->root_path) > 0);
	assert_ok(viso_root_add_program(root, path));
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, root));
	assert_output(run_in(guest, new_command(path, "arguments", "dynamic", NULL)), "3\ndynamic\n");
	viso_guest_unref(guest);
	viso_root_unref(root);
	free(path);
}

static void test_python(void **state)
{
	need_kvm();
	skip_without(access("/usr/bin/python3", X_OK) == 0, "python3");
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, "/usr/bin/python3"));
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, root));
	assert_output(run_in(guest, new_command("python3", "-c",
						"import json,hashlib,os,sys\n"
						"print(json.dumps([6*7, hashlib.sha256(b'x').hexdigest()[:8], "
						"os.getuid(), sys.executable]))",
						NULL)),
		      "[42, \"2d711642\", 1000, \"/usr/bin/python3\"]\n");
	viso_guest_unref(guest);
	viso_root_unref(root);
}

static void test_what_a_program_sees(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_output(run(fixture, "/probe", "identity"), "1000 1000 1000 1000 0:\n/\nguest\n");
	assert_output(run(fixture, "/probe", "auxiliary"), "page 4096 secure 0 execfn /probe phdr 1 random 1\n");

	const unsigned groups[] = {7, 70};
	viso_command *command = new_command("/probe", "identity", NULL);
	assert_ok(viso_command_set_user(command, 12, 34));
	assert_ok(viso_command_set_groups(command, groups, 2));
	assert_ok(viso_command_set_cwd(command, "/inner"));
	assert_output(run_in(fixture->guest, command), "12 12 34 34 2: 7 70\n/dir/sub\nguest\n");

	command = new_command("/probe", "environment", NULL);
	assert_ok(viso_command_clear_env(command));
	assert_ok(viso_command_set_env(command, "A", "b=c"));
	assert_output(run_in(fixture->guest, command), "A=b=c\n");
}

static void test_many_arguments(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_command *command = new_command("/probe", "count-arguments", NULL);
	for (int i = 0; i < 100000; i++)
		assert_ok(viso_command_add_arg(command, "0123456"));
	assert_output(run_in(fixture->guest, command), "100000\n");

	command = new_command("/probe", "count-arguments", NULL);
	for (int i = 0; i < 200000; i++)
		assert_ok(viso_command_add_arg(command, "0123456"));
	viso_result *result;
	assert_fails(viso_sandbox_run(viso_guest_sandbox(fixture->guest), command, &result), E2BIG, VISO_STAGE_EXEC,
		     "probe");
	viso_command_unref(command);
}

static void test_calls_of_memory_time_and_pipes(void **state)
{
	static const char *const probes[] = {"map",     "file", "remap",  "heap",
					     "protect", "pipe", "clocks", "unknown-call"};
	struct fixture *fixture = *state;
	need_kvm();
	assert_probes_pass(fixture, probes, sizeof(probes) / sizeof(probes[0]));
}

static void test_programs_that_are_not_there(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	static const struct {
		const char *program;
		int error;
	} cases[] = {{"/nothing", ENOENT}, {"nothing", ENOENT},   {"/fruit", EACCES}, {"/dir", EACCES},
		     {"/fifo", EACCES},    {"/fruit/x", ENOTDIR}, {"/loop", ELOOP}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		viso_result *result;
		viso_command *command = new_command(cases[i].program, NULL);
		assert_fails(viso_sandbox_run(viso_guest_sandbox(fixture->guest), command, &result), cases[i].error,
			     VISO_STAGE_EXEC, cases[i].program);
		viso_command_unref(command);
	}
	viso_process *process;
	viso_command *command = new_command("/probe", "exit", "0", NULL);
	assert_ok(viso_command_set_cwd(command, "/no/such"));
	assert_fails(viso_sandbox_spawn(viso_guest_sandbox(fixture->guest), command, &process), ENOENT, VISO_STAGE_CWD,
		     "/no/such");
	viso_command_unref(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_busybox_works_on_files),
		cmocka_unit_test(test_busybox_shell_and_echo),
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_kinds_of_programs),
		cmocka_unit_test(test_a_dynamic_program_with_its_libraries),
		cmocka_unit_test(test_python),
		cmocka_unit_test(test_what_a_program_sees),
		cmocka_unit_test(test_many_arguments),
		cmocka_unit_test(test_calls_of_memory_time_and_pipes),
		cmocka_unit_test(test_programs_that_are_not_there),
	};
	return cmocka_run_group_tests_name("guest programs", tests, fixture_setup, fixture_teardown);
}
