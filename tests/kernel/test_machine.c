/* SPDX-License-Identifier: MIT */
/* The life of a computer, with programs of a few instructions that run in real mode: kvm_pvm emulates them, slowly. */
#include "kernel_support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_writes_and_switches_off(void **state)
{
	struct kernel_fixture *fixture = *state;
	need_kvm();
	set_code(fixture, PUT('h'), PUT('i'), PUT('\n'), POWER_OFF, HALT);
	assert_switched_off(kernel_run(fixture), "hi\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_writes_and_switches_off, kernel_setup, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
