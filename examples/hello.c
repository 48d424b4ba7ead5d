/* SPDX-License-Identifier: MIT */
/*
 * The shortest complete use of libvirtiso: Python computes 6 * 7 in a container.
 *
 * For a jail or a guest write "jail" or "guest" wherever "container" stands. Nothing else changes.
 *
 *     cc hello.c $(pkg-config --cflags --libs libvirtiso) && ./a.out
 */
#include <stdio.h>
#include <virtiso.h>

int main(void)
{
	viso_root *root = viso_root_new();
	viso_container *container = viso_container_new();
	viso_command *command = viso_command_new("/usr/bin/python3");
	viso_result *result = NULL;

	/* Any call may fail; the first one that does leaves its reason behind. */
	if (viso_root_add_program(root, "/usr/bin/python3") < 0 ||      /* with its libraries and modules */
	    viso_container_set_root(container, root) < 0 ||             /* the program sees nothing else */
	    viso_container_set_memory_max(container, 256u << 20) < 0 || /* beyond that: "out of memory" */
	    viso_command_add_arg(command, "-c") < 0 ||                  /* argv[1] */
	    viso_command_add_arg(command, "print(6 * 7)") < 0 ||        /* argv[2] */
	    viso_command_capture(command, 1u << 20) < 0 ||              /* at most so much output */
	    viso_command_set_timeout_ms(command, 10000) < 0 ||          /* after that: "timed out" */
	    viso_sandbox_run(viso_container_sandbox(container), command, &result) < 0)
		fprintf(stderr, "hello: %s\n", viso_error_message());
	else
		printf("%s%s\n", viso_result_output(result, VISO_STDOUT, NULL), viso_result_describe(result));

	int status = viso_result_exit_code(result) == 0 ? 0 : 1; /* without a result the exit code is -1 */
	viso_result_unref(result);
	viso_command_unref(command);
	viso_container_unref(container);
	viso_root_unref(root);
	return status;
}
