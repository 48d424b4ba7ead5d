/* SPDX-License-Identifier: MIT */
/*
 * viso-run: run a program of this host in a jail, a container or a guest.
 *
 * The program named in COMMAND is put into an empty root with all that it needs, and sees nothing else of the host.
 * run.py and run.lua do the same.
 *
 *   options.c    the command line; parse.c its texts, container.c and guest.c what only they have
 *   strengths.c  a jail, a container or a guest
 *   terminal.c   --tty
 *   report.c     what is said at the end
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "run.h"

int fail(void)
{
	fprintf(stderr, "viso-run: %s\n", viso_error_message());
	return -1;
}

int fail_option(const char *option, const char *value, const char *wanted)
{
	fprintf(stderr, "viso-run: --%s%s%s: %s is wanted here; see viso-run --help\n", option, *value ? " " : "", value,
		wanted);
	return -1;
}

static int set_env(viso_command *command, const char *text)
{
	const char *equals = strchr(text, '=');
	char *name = strndup(text, (size_t)(equals - text));
	int r = name ? viso_command_set_env(command, name, equals + 1) : -1;
	free(name);
	return r;
}

/* How the command runs, beside its arguments. 0 or -1. */
static int set_up(const struct options *options, viso_command *command)
{
	unsigned uid, gid, columns, rows;
	int r = viso_command_set_timeout_ms(command, options->timeout_ms);
	for (int i = 0; r == 0 && i < options->env_count; i++)
		r = set_env(command, options->env[i]);
	if (r == 0 && options->cwd)
		r = viso_command_set_cwd(command, options->cwd);
	if (r == 0 && options->terminal) {
		terminal_size(&columns, &rows);
		r = viso_command_set_terminal(command, columns, rows);
	}
	if (r < 0)
		return fail();
	if (!options->user)
		return 0;
	if (parse_user(options->user, &uid, &gid) < 0)
		return -1;
	return viso_command_set_user(command, uid, gid) < 0 ? fail() : 0;
}

/* The program and its arguments, which goes into the root; or those of the bundle. NULL after saying why not. */
static viso_command *make_command(const struct options *options, char **argv)
{
	if (options->bundle)
		return viso_command_ref(options->bundle);
	viso_command *command = viso_command_new(argv[0]);
	int r = viso_root_add_program(options->root, argv[0]);
	for (int i = 1; r == 0 && argv[i]; i++)
		r = viso_command_add_arg(command, argv[i]);
	if (r == 0)
		return command;
	fail();
	return viso_command_unref(command);
}

/* 0, or -1 after saying why not. */
static int run_to_the_end(const struct options *options, viso_sandbox *sandbox, viso_command *command,
			  viso_result **out_result)
{
	viso_process *process = NULL;
	int r = viso_sandbox_spawn(sandbox, command, &process);
	if (r < 0)
		return fail();
	if (options->terminal)
		r = relay_terminal(process);
	if (r == 0 && viso_process_wait(process, -1, out_result) < 0)
		r = fail();
	if (r == 0 && options->timings)
		print_timings_of(process);
	viso_process_unref(process);
	return r;
}

static int run(const struct options *options, char **argv)
{
	int status = EXIT_OWN_ERROR;
	viso_result *result = NULL;
	viso_command *command = make_command(options, argv);
	viso_sandbox *sandbox = NULL;
	if (command && set_up(options, command) == 0)
		sandbox = make_sandbox(options);
	if (sandbox && run_to_the_end(options, sandbox, command, &result) == 0) {
		status = report(result);
		if (options->usage)
			print_usage_of(result);
		if (options->syscalls)
			print_syscalls_of(options->guest);
	}
	viso_result_unref(result);
	viso_command_unref(command);
	release_sandbox();
	return status;
}

int main(int argc, char **argv)
{
	struct options options = {
		.isolation = VISO_ISOLATION_CONTAINER,
		.env = calloc((size_t)argc + 1, sizeof(char *)),
		.root = viso_root_new(),
		.container = viso_container_new(),
		.guest = viso_guest_new(),
		.strengths = {false, true, true, true},
	};
	int status = EXIT_OWN_ERROR;

	if (!options.env || !options.root || !options.container)
		fail();
	else if ((status = parse_options(argc, argv, &options)) == 0)
		status = run(&options, argv + optind);
	else
		status = status == HELPED ? 0 : EXIT_OWN_ERROR;
	viso_command_unref(options.bundle);
	viso_guest_unref(options.guest);
	viso_container_unref(options.container);
	viso_root_unref(options.root);
	free(options.env);
	return status;
}
