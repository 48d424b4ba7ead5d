/* SPDX-License-Identifier: MIT */
/*
 * A sandbox of some strength over a small root, so that a scenario is written once and runs at each strength.
 *
 *	static void test_exit_code(void **state)
 *	{
 *		struct box *box = box_open(state);
 *		...
 *	}
 *	... AT_EACH_STRENGTH(test_exit_code), ...
 */
#ifndef TEST_BOX_H
#define TEST_BOX_H

#include "support.h"

#include <virtiso.h>

struct box {
	viso_isolation strength;
	viso_sandbox *sandbox;
	viso_root *root;
	viso_jail *jail; /* the one of the strength; the others are NULL */
	viso_container *container;
	viso_guest *guest;
	int fds; /* that were open before */
};

#define AT_STRENGTH(function, strength, name)                                                                          \
	{                                                                                                              \
		name ": " #function, function, NULL, box_teardown, (void *)(intptr_t)(strength)                        \
	}
#define AT_JAIL(function) AT_STRENGTH(function, VISO_ISOLATION_JAIL, "jail")
#define AT_CONTAINER(function) AT_STRENGTH(function, VISO_ISOLATION_CONTAINER, "container")
#define AT_GUEST(function) AT_STRENGTH(function, VISO_ISOLATION_GUEST, "guest")
/* What needs processes, control groups or a shell runs in jails and containers; all else in guests, too. */
#define AT_EACH_STRENGTH(function) AT_JAIL(function), AT_CONTAINER(function)
#define AT_ALL_STRENGTHS(function) AT_EACH_STRENGTH(function), AT_GUEST(function)

/* The sandbox of the test's strength, over the tests' root; skips where this machine cannot run it. */
struct box *box_open(void **state);

/* One more of a strength, over a directory; to be closed by box_close(). */
struct box *box_new(viso_isolation strength, const char *directory);
void box_close(struct box *box);

int box_teardown(void **state);

/* Skips the test where this machine and user cannot run the strength. */
void skip_without_strength(viso_isolation strength);

int box_set_memory_max(struct box *box, uint64_t bytes);
int box_set_processes_max(struct box *box, uint64_t count);

/* The root of the tests: /bin/probe, /bin/busybox with its usual names, and the directories that a container needs. */
const char *box_tree(void);
/* Another such tree, to be changed at will; to be removed by support_remove_tree() and freed. */
char *box_new_tree(void);
/* For cmocka_run_group_tests(): removes the tree. */
int box_group_teardown(void **state);

/* /bin/probe with these arguments, standard input null, output captured up to 64 KiB. */
viso_command *probe(const char *first, ...) __attribute__((sentinel));
/* The same with a shell script. */
viso_command *shell(const char *script);

/* Runs the command, which is released, to its end, which must be reached; the result is the caller's. */
viso_result *box_run(struct box *box, viso_command *command);
/* Starts the command, which is released. */
viso_process *box_spawn(struct box *box, viso_command *command);
viso_result *box_wait(viso_process *process);

/* The whole of standard output, which must be followed by nothing else, of a command that exits with 0. */
void assert_prints(struct box *box, viso_command *command, const char *expected);
/* Released afterwards. */
void assert_ended(viso_result *result, viso_reason reason, int exit_code, int signal);
/* The same, kept. */
void check_ended(const viso_result *result, viso_reason reason, int exit_code, int signal);

/* Starting the command, which is released, must fail so, by both ways of starting. */
void assert_start_fails(struct box *box, viso_command *command, int error, viso_stage stage, const char *object_part);

#endif
