/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char probe_calls_json[] =
	"\"brk\", \"arch_prctl\", \"set_tid_address\", \"set_robust_list\", \"rseq\", \"prlimit64\", \"readlink\", "
	"\"readlinkat\", \"getrandom\", \"mprotect\", \"newfstatat\", \"fstat\", \"write\", \"exit_group\", \"uname\", "
	"\"mmap\", \"munmap\", \"ioctl\", \"writev\", \"futex\"";

viso_command *call_of(long number, ...)
{
	char text[24];
	va_list args;
	snprintf(text, sizeof(text), "%ld", number);
	viso_command *command = probe("call", text, NULL);
	va_start(args, number);
	for (const char *arg; (arg = va_arg(args, const char *));)
		assert_ok(viso_command_add_arg(command, arg));
	va_end(args);
	return command;
}

static void assert_result(viso_result *result, long expected)
{
	long value = strtol(viso_result_output(result, VISO_STDOUT, NULL), NULL, 10);
	if (value != expected)
		print_error("the call gave %ld; stderr: %s\n", value, viso_result_output(result, VISO_STDERR, NULL));
	check_ended(result, VISO_REASON_EXITED, 0, 0);
	assert_true(strlen(viso_result_output(result, VISO_STDOUT, NULL)) > 0);
	assert_int_equal(value, expected);
	viso_result_unref(result);
}

void assert_call(struct box *box, viso_command *command, long expected)
{
	assert_result(box_run(box, command), expected);
}

void assert_gave(viso_process *process, long expected)
{
	assert_result(box_wait(process), expected);
	viso_process_unref(process);
}

struct box *box_with_profile(viso_seccomp_profile profile)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_seccomp_profile(box->container, profile));
	return box;
}

void allow_probe(struct box *box)
{
	char *names = strdup(probe_calls_json);
	for (char *name = strtok(names, "\", "); name; name = strtok(NULL, "\", "))
		assert_ok(viso_container_add_syscall_rule(box->container, name, VISO_SYSCALL_ALLOW, 0));
	free(names);
}

void assert_filtered(struct box *box, viso_command *command)
{
	assert_ended(box_run(box, command), VISO_REASON_SECCOMP, -1, SIGSYS);
}
