/* SPDX-License-Identifier: MIT */
/*
 * The floor of container/start: the system calls of a container with everything fresh, from a process that does nothing
 * else.
 *
 *   floor_container N ROOT PROGRAM
 */
#include "floor_mounts.h"

static const char *root_path, *program;
static char stack[65536] __attribute__((aligned(16)));
static volatile int *maps_written; /* shared with the child */

static void enter_root(int root)
{
	FLOOR_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	FLOOR_CHECK(syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
	mount_proc(root);
	make_dev(root, 1);
	mount_tmp(root, "tmp");
	pivot_to(root);
}

static int program_child(void *argument)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	floor_exec(program, 1000);
	return 1;
}

static void init(int root)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	loopback_up();
	FLOOR_CHECK(sethostname("container", 9));
	become_inner_root(maps_written);
	enter_root(root);
	int pid = clone(program_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL), status;
	syscall(SYS_close_range, 0u, ~0u, 0);
	FLOOR_CHECK(wait4(pid, &status, 0, NULL));
	_exit(status != 0);
}

static void once(void)
{
	int pidfd, status;
	int host_root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host_root < 0)
		floor_die(root_path);
	int root = copy_root(host_root);
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
			 CLONE_NEWCGROUP | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	*maps_written = 0;
	int pid = (int)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		init(root);
	FLOOR_CHECK(pid);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	*maps_written = 1;
	FLOOR_CHECK(wait4(pid, &status, 0, NULL));
	close(pidfd);
	close(root);
	close(host_root);
	if (status != 0)
		floor_die("the program failed");
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	root_path = argv[2];
	program = argv[3];
	maps_written = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return floor_main(argc, argv, once);
}
