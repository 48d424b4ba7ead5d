/* SPDX-License-Identifier: MIT */
/* Capabilities: none, or those that were added, confined to the container. */
#include "box.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree.h"

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

enum {
	ALL_BUT_AMBIENT = VISO_CAPABILITY_EFFECTIVE | VISO_CAPABILITY_PERMITTED | VISO_CAPABILITY_INHERITABLE |
			  VISO_CAPABILITY_BOUNDING
};

static void add_to(struct box *box, unsigned sets, const char *capability)
{
	assert_ok(viso_container_add_capability_to(box->container, sets, capability));
}

static void assert_five_sets(struct box *box, unsigned uid, const char *expected)
{
	viso_command *command = shell("grep Cap /proc/self/status | cut -f2 | sed 's/^0*//;s/^$/0/' | tr '\\n' ' '");
	assert_ok(viso_command_set_user(command, uid, uid));
	assert_prints(box, command, expected);
}

/* As execve(2) of the program leaves them: inheritable, permitted, effective, bounding, ambient. */
static void test_single_sets(void **state)
{
	struct box *box = box_open(state);
	add_to(box, VISO_CAPABILITY_BOUNDING, "chown");
	add_to(box, ALL_BUT_AMBIENT, "kill");
	add_to(box, ALL_BUT_AMBIENT | VISO_CAPABILITY_AMBIENT, "net_raw");
	add_to(box, VISO_CAPABILITY_PERMITTED, "sys_nice");
	assert_five_sets(box, 1000, "2020 2000 2000 2021 2000 ");
	/* The strict secure bits: root is nobody special. */
	assert_five_sets(box, 0, "2020 2000 2000 2021 2000 ");
}

/* With the kernel's own rules root gets what is inheritable or bounding, anybody else what is ambient. */
static void test_own_securebits(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_securebits(box->container, 0));
	add_to(box, VISO_CAPABILITY_BOUNDING, "chown");
	add_to(box, ALL_BUT_AMBIENT, "kill");
	assert_ok(viso_container_set_new_privileges(box->container, 1));
	assert_five_sets(box, 0, "20 21 21 21 0 ");
	assert_five_sets(box, 1000, "20 0 0 21 0 ");
}

static viso_command *get_securebits(void)
{
	char number[16];
	snprintf(number, sizeof(number), "%d", SYS_prctl);
	return probe("call", number, "27" /* PR_GET_SECUREBITS */, NULL);
}

static void test_securebits(void **state)
{
	struct box *box = box_open(state);
	/* All but KEEP_CAPS, and all locks. */
	assert_prints(box, get_securebits(), "239\n");
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_securebits(other->container, 0x43));
	assert_ok(viso_container_add_capability(other->container, "net_raw"));
	assert_prints(other, get_securebits(), "67\n");
	assert_five_sets(other, 1000, "2000 2000 2000 2000 2000 ");
	box_close(other);
	other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_add_capability(other->container, "net_raw"));
	assert_prints(other, get_securebits(), "239\n");
	box_close(other);
	assert_fails(viso_container_set_securebits(box->container, 0), EBUSY, VISO_STAGE_ARGUMENT, "securebits");
}

static void check_impossible(unsigned sets, const char *capability, const char *object)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	add_to(box, sets, capability);
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_CAPABILITIES, object);
	assert_non_null(strstr(viso_error_message(), "viso_container_add_capability_to"));
	box_close(box);
}

static void test_impossible_sets(void **state)
{
	viso_container *container = box_open(state)->container;
	check_impossible(VISO_CAPABILITY_EFFECTIVE, "kill", "cap_kill");
	check_impossible(VISO_CAPABILITY_AMBIENT, "net_raw", "cap_net_raw");
	check_impossible(VISO_CAPABILITY_AMBIENT | VISO_CAPABILITY_PERMITTED, "chown", "cap_chown");
	check_impossible(VISO_CAPABILITY_INHERITABLE, "chown", "cap_chown");
	assert_fails(viso_container_add_capability_to(container, 0, "chown"), EINVAL, VISO_STAGE_ARGUMENT,
		     "capability_to");
	assert_fails(viso_container_add_capability_to(container, 32, "chown"), EINVAL, VISO_STAGE_ARGUMENT,
		     "capability_to");
	assert_fails(viso_container_add_capability_to(container, 1, "fly"), EINVAL, VISO_STAGE_ARGUMENT, "fly");
	assert_fails(viso_container_set_securebits(container, 0x1000), EINVAL, VISO_STAGE_ARGUMENT, "securebits");
	assert_fails(viso_container_set_new_privileges(container, 2), EINVAL, VISO_STAGE_ARGUMENT, "new_privileges");
}

/* A tree whose /bin/grep, one more copy of busybox, has a capability; NULL where this user may not give any. */
static char *tree_with_file_capability(bool inheritable)
{
	struct vfs_cap_data data = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};
	char *tree = box_new_tree();
	char *program = tree_path(tree, "bin/grep");
	unlink(program);
	char *busybox = tree_path(tree, "bin/busybox");
	tree_copy(busybox, tree, "bin/grep");
	(inheritable ? &data.data[0].inheritable : &data.data[0].permitted)[0] = 1u << CAP_NET_RAW;
	bool given = setxattr(program, "security.capability", &data, XATTR_CAPS_SZ_2, 0) == 0;
	free(program);
	free(busybox);
	if (given)
		return tree;
	support_remove_tree(tree);
	free(tree);
	return NULL;
}

static void test_file_capabilities(void **state)
{
	static const char *const show_new = "/bin/grep -E 'CapEff|NoNew' /proc/self/status | tr -d '\\t'";
	box_open(state);
	char *tree = tree_with_file_capability(false);
	skip_without(tree, "root, who may give a file capabilities");
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
	add_to(box, VISO_CAPABILITY_BOUNDING, "net_raw");
	assert_ok(viso_container_set_new_privileges(box->container, 1));
	assert_prints(box, shell(show_new), "CapEff:0000000000002000\nNoNewPrivs:0\n");
	box_close(box);
	/* Without the bounding set, and without the permission: nothing. */
	box = box_new(VISO_ISOLATION_CONTAINER, tree);
	assert_ok(viso_container_set_new_privileges(box->container, 1));
	assert_ok(viso_container_set_new_privileges(box->container, 0));
	add_to(box, VISO_CAPABILITY_BOUNDING, "net_raw");
	assert_prints(box, shell(show_new), "CapEff:0000000000000000\nNoNewPrivs:1\n");
	box_close(box);
	support_remove_tree(tree);
	free(tree);
}

/* CVE-2022-29162: an inheritable set beyond the ambient one is what such a file turns into permitted capabilities. */
static void test_inheritable_files(void **state)
{
	static const char *const show_effective = "/bin/grep CapEff /proc/self/status | tr -d '\\t'";
	box_open(state);
	char *tree = tree_with_file_capability(true);
	skip_without(tree, "root, who may give a file capabilities");
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
	add_to(box, VISO_CAPABILITY_BOUNDING | VISO_CAPABILITY_INHERITABLE, "net_raw");
	assert_ok(viso_container_set_new_privileges(box->container, 1));
	assert_prints(box, shell(show_effective), "CapEff:0000000000002000\n");
	box_close(box);
	box = box_new(VISO_ISOLATION_CONTAINER, tree);
	assert_ok(viso_container_add_capability(box->container, "chown"));
	assert_ok(viso_container_set_new_privileges(box->container, 1));
	assert_prints(box, shell(show_effective), "CapEff:0000000000000000\n");
	box_close(box);
	support_remove_tree(tree);
	free(tree);
}

/* Without no_new_privs a filter needs a capability, of which the program keeps nothing. */
static void test_new_privileges_with_filters(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_new_privileges(box->container, 1));
	assert_prints(box, shell(show),
		      "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n"
		      "CapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:0\nSeccomp:2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_none),
		AT_CONTAINER(test_added),
		AT_CONTAINER(test_names),
		AT_CONTAINER(test_mounting_is_confined),
		AT_CONTAINER(test_single_sets),
		AT_CONTAINER(test_own_securebits),
		AT_CONTAINER(test_securebits),
		AT_CONTAINER(test_impossible_sets),
		AT_CONTAINER(test_file_capabilities),
		AT_CONTAINER(test_inheritable_files),
		AT_CONTAINER(test_new_privileges_with_filters),
	};
	return cmocka_run_group_tests_name("capabilities", tests, NULL, box_group_teardown);
}
