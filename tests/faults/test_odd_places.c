/* SPDX-License-Identifier: MIT */
/* Host programs in places where containers can hardly be: a start works there or says why not, and nothing hangs. */
#include "box.h"
#include "host.h"
#include "leftovers.h"
#include "marked.h"
#include "tree.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	const char *name;
	void (*enter)(void);
	unsigned mark;
};

/* The soft limit; it is lifted before the test itself writes to a file. */
static void limit(int resource, rlim_t value)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(resource, &limit), 0);
	limit.rlim_cur = value;
	assert_int_equal(setrlimit(resource, &limit), 0);
}

static void lift_limit_of_files(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
}

#define LIMITED(name, resource, value)                                                                                 \
	static void name(void)                                                                                         \
	{                                                                                                              \
		limit(resource, value);                                                                                \
	}

LIMITED(no_file_size, RLIMIT_FSIZE, 0)
LIMITED(small_file_size, RLIMIT_FSIZE, 1)
LIMITED(small_stack, RLIMIT_STACK, 16384)
LIMITED(no_locked_memory, RLIMIT_MEMLOCK, 0)
LIMITED(no_data, RLIMIT_DATA, 1 << 20)
LIMITED(small_address_space, RLIMIT_AS, 64 << 20)
LIMITED(no_core, RLIMIT_CORE, 0)
LIMITED(no_pending_signals, RLIMIT_SIGPENDING, 0)
LIMITED(no_nice, RLIMIT_NICE, 0)

static void no_proc(void)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(umount2("/proc", MNT_DETACH), 0);
}

static void covered_proc(void)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("none", "/proc", "tmpfs", 0, NULL), 0);
}

/* As a service in a chroot: even the root of the tests lies elsewhere. */
static void in_a_chroot(void)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(chroot(box_tree()), 0);
	assert_int_equal(chdir("/"), 0);
}

static void in_a_removed_directory(void)
{
	char *directory = support_temporary_directory();
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(rmdir(directory), 0);
	free(directory);
}

static void start_there(void *argument)
{
	const struct place *place = argument;
	viso_result *result = NULL;
	mark_this_process(place->mark);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	viso_command *command = viso_command_new("/bin/probe");
	assert_ok(viso_command_add_arg(command, "exit"));
	assert_ok(viso_command_add_arg(command, "3"));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	place->enter();
	int r = viso_sandbox_run(box->sandbox, command, &result);
	lift_limit_of_files();
	printf("# %s: %s\n", place->name, r < 0 ? viso_error_message() : viso_result_describe(result));
	/* The limits are the program's as well, which may not live with them. */
	if (r < 0) {
		assert_int_equal(viso_error_number(), -r);
		assert_true(viso_error_stage() != VISO_STAGE_NONE);
	}
	viso_result_unref(result);
	viso_command_unref(command);
	box_close(box);
}

static const struct place limits[] = {
	{"no file size", no_file_size}, {"a file size of one byte", small_file_size},
	{"a small stack", small_stack}, {"no locked memory", no_locked_memory},
	{"hardly any data", no_data},   {"a small address space", small_address_space},
	{"no core", no_core},           {"no pending signals", no_pending_signals},
	{"no nice", no_nice},           {"a directory that was removed", in_a_removed_directory},
};

static const struct place places[] = {
	{"no /proc", no_proc},
	{"a covered /proc", covered_proc},
	{"a chroot", in_a_chroot},
};

static void visit(const struct place *all, size_t count)
{
	leftovers_begin();
	for (size_t i = 0; i < count; i++) {
		struct place place = all[i];
		place.mark = mark_new();
		in_a_host(start_there, &place);
		assert_no_marked(place.mark);
	}
	assert_int_equal(leftovers_count(NULL, 0), 0);
}

static void test_small_limits(void **state)
{
	box_open(state);
	visit(limits, sizeof(limits) / sizeof(limits[0]));
}

static void test_places(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root, who can make such places");
	visit(places, sizeof(places) / sizeof(places[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_small_limits),
		AT_CONTAINER(test_places),
	};
	return cmocka_run_group_tests_name("odd places", tests, leftovers_set_up, leftovers_tear_down);
}
