/* SPDX-License-Identifier: MIT */
/*
 * The floor of jail/start: the system calls of a hardened jail, from a process that does nothing else.
 *
 *   floor_jail N ROOT PROGRAM
 */
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/wait.h>

#include "floor.h"

static const char *root_path, *program;
static char stack[65536] __attribute__((aligned(16)));

static int child(void *argument)
{
	int root = *(int *)argument;
	struct {
		uint64_t access_fs, access_net, scoped;
	} attributes = {.access_fs = (1 << 16) - 1, .scoped = 3};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	FLOOR_CHECK(fchdir(root));
	FLOOR_CHECK(chroot("."));
	FLOOR_CHECK(chdir("/"));
	FLOOR_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset >= 0) {
		struct landlock_path_beneath_attr beneath = {.allowed_access = attributes.access_fs, .parent_fd = root};
		FLOOR_CHECK(syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0));
		FLOOR_CHECK(syscall(SYS_landlock_restrict_self, ruleset, 0));
		close(ruleset);
	}
	floor_exec(program, 1879049192);
	return 1;
}

static void once(void)
{
	int pidfd, status;
	int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		floor_die(root_path);
	int pid = clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &root, &pidfd);
	FLOOR_CHECK(pid);
	FLOOR_CHECK(wait4(pid, &status, 0, NULL));
	close(pidfd);
	close(root);
	if (status != 0)
		floor_die("the program failed");
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	root_path = argv[2];
	program = argv[3];
	return floor_main(argc, argv, once);
}
