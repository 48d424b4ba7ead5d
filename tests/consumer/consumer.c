/* SPDX-License-Identifier: MIT */
/*
 * A program outside the tree: built by `run` beside it, as C and as C++, with what pkg-config says and nothing else. It
 * checks that header and library agree, and runs a program in a container, so that the installed library is complete.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <virtiso.h>

#if !VISO_CHECK_VERSION(0, 1, 0)
#error "the headers are older than 0.1.0"
#endif

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, viso_error_message());
	return 1;
}

int main(void)
{
	if (viso_version() != VISO_VERSION_NUMBER(VISO_VERSION_MAJOR, VISO_VERSION_MINOR, VISO_VERSION_MICRO))
		return fail("header and library are of different versions");
	if (viso_command_new("") || viso_error_number() != EINVAL || viso_error_stage() != VISO_STAGE_ARGUMENT)
		return fail("an empty command is no error");

	viso_machine *machine = viso_machine_new();
	int works = viso_machine_feature(machine, VISO_FEATURE_CONTAINER);
	if (works == 0)
		printf("# missing: %s\n", viso_machine_detail(machine, VISO_FEATURE_CONTAINER));
	viso_machine_unref(machine);
	if (works <= 0)
		return works < 0 ? fail("viso_machine_feature") : 77;

	viso_root *root = viso_root_new();
	viso_container *container = viso_container_new();
	viso_command *command = viso_command_new("/bin/busybox");
	viso_result *result = NULL;
	if (viso_root_add_program(root, "/bin/busybox") < 0 || viso_container_set_root(container, root) < 0 ||
	    viso_command_add_arg(command, "echo") < 0 || viso_command_add_arg(command, "consumed") < 0 ||
	    viso_command_capture(command, 4096) < 0 ||
	    viso_sandbox_run(viso_container_sandbox(container), command, &result) < 0)
		return fail("a container");
	int good = viso_result_exit_code(result) == 0 &&
		   strcmp(viso_result_output(result, VISO_STDOUT, NULL), "consumed\n") == 0;
	if (!good)
		fprintf(stderr, "busybox %s\n", viso_result_describe(result));
	viso_result_unref(result);
	viso_command_unref(command);
	viso_container_unref(container);
	viso_root_unref(root);
	return good ? 0 : 1;
}
