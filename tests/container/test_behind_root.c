/* SPDX-License-Identifier: MIT */
/*
 * Nothing of the host lies over the container's root. A mount that does is not seen by a path that begins with "/", but
 * "/.." leads to it, and mountinfo shows it.
 */
#include "box.h"

#include <unistd.h>

/* There is one mount at the root, and what is to be found by "/.." is the root. */
static void assert_nothing_behind(struct box *box)
{
	assert_prints(box,
		      shell("while read -r id parent device root point rest; do test \"$point\" != / || echo root; done "
			    "< /proc/self/mountinfo; test /.. -ef / && ls -d /../bin/probe; ls /../../etc/shadow "
			    "/../proc/1/root/etc/shadow 2>/dev/null; cd /.. && pwd"),
		      "root\n/../bin/probe\n/\n");
}

static void test_plain(void **state)
{
	assert_nothing_behind(box_open(state));
}

static void test_mask(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_mask(box->container, "/proc/keys"));
	assert_nothing_behind(box);
}

static void test_file(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_file(box->container, "/tmp/file", "x", 1, 0644));
	assert_nothing_behind(box);
}

static void test_upper(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_upper_discarded(box->container, 0));
	assert_ok(viso_container_add_file(box->container, "/tmp/file", "x", 1, 0644));
	assert_nothing_behind(box);
}

static void test_instance(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_mask(box->container, "/proc/keys"));
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_nothing_behind(box);
}

static void test_with_network(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	assert_ok(viso_container_add_filesystem(box->container, "sysfs", "/sys", VISO_MOUNT_READ_ONLY));
	assert_ok(viso_container_add_mask(box->container, "/sys/firmware"));
	assert_nothing_behind(box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_plain), AT_CONTAINER(test_mask),     AT_CONTAINER(test_file),
		AT_CONTAINER(test_upper), AT_CONTAINER(test_instance), AT_CONTAINER(test_with_network),
	};
	return cmocka_run_group_tests_name("behind the root", tests, NULL, box_group_teardown);
}
