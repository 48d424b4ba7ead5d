/* SPDX-License-Identifier: MIT */
/* Capabilities: none, or those that were added, confined to the container. */
#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char show[] =
	"grep Cap /proc/self/status | tr -d '\\t'; grep -E 'NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\t'";

static void assert_sets(struct box *box, unsigned uid, const char *set)
{
	char expected[256];
	viso_command *command = shell(show);
	assert_ok(viso_command_set_user(command, uid, uid));
	snprintf(expected, sizeof(expected),
		 "CapInh:%s\nCapPrm:%s\nCapEff:%s\nCapBnd:%s\nCapAmb:%s\nNoNewPrivs:1\nSeccomp:2\n", set, set, set, set,
		 set);
	assert_prints(box, command, expected);
}

static void test_none(void **state)
{
	struct box *box = box_open(state);
	assert_sets(box, 1000, "0000000000000000");
	assert_sets(box, 0, "0000000000000000");
	assert_prints(box, probe("socket", "2", "80", NULL), "Permission denied\n");
}

static void test_added(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_capability(box->container, "net_bind_service"));
	assert_sets(box, 1000, "0000000000000400");
	assert_sets(box, 0, "0000000000000400");
	assert_prints(box, probe("socket", "2", "80", NULL), "made\n");
	assert_prints(box, shell("mount -t tmpfs none /tmp 2>/dev/null || echo no"), "no\n");
}

static void test_names(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_capability(box->container, "CAP_SYS_CHROOT"));
	assert_ok(viso_container_add_capability(box->container, "Cap_Kill"));
	assert_ok(viso_container_add_capability(box->container, "CHOWN"));
	assert_fails(viso_container_add_capability(box->container, "flying"), EINVAL, VISO_STAGE_ARGUMENT, "flying");
	assert_fails(viso_container_add_capability(box->container, ""), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_container_add_capability(box->container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "capability");
	assert_fails(viso_container_add_capability(box->container, "killkillkillkillkillkillkillkillkillkillkill"),
		     EINVAL, VISO_STAGE_ARGUMENT, "kill");
	assert_sets(box, 1000, "0000000000040021");
}

static void test_mounting_is_confined(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_capability(box->container, "sys_admin"));
	assert_prints(box, shell("mount -t tmpfs none /work && echo x > /work/seen-nowhere && ls /work"),
		      "seen-nowhere\n");
	struct stat st;
	char path[4096];
	snprintf(path, sizeof(path), "%s/work/seen-nowhere", box_tree());
	assert_int_equal(stat(path, &st), -1);
	/* It is not the host's: its host name, clock, and devices are not to be had. */
	assert_prints(box, shell("mount -t proc none /work && echo 1 > /work/sys/kernel/sysrq 2>/dev/null || echo no"),
		      "no\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_none),
		AT_CONTAINER(test_added),
		AT_CONTAINER(test_names),
		AT_CONTAINER(test_mounting_is_confined),
	};
	return cmocka_run_group_tests_name("capabilities", tests, NULL, box_group_teardown);
}
