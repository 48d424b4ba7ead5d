/* SPDX-License-Identifier: MIT */
/*
 * The floor of container/exec: a process that joins all namespaces of a running container, and by vfork and exec a
 * program in it.
 *
 *   floor_exec N ROOT PROGRAM
 */
#include "floor_mounts.h"

static const char *root_path, *program;
static char stacks[2][65536] __attribute__((aligned(16)));
static volatile int *maps_written; /* shared with the child */
static int container;              /* pidfd of its init */

static void stay(int root, int done)
{
	loopback_up();
	FLOOR_CHECK(sethostname("container", 9));
	become_inner_root(maps_written);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of uid takes it back */
	FLOOR_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	FLOOR_CHECK(syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
	mount_proc(root);
	make_dev(root, 1);
	mount_tmp(root, "tmp");
	pivot_to(root);
	FLOOR_CHECK(write(done, "", 1));
	for (;;)
		pause();
}

static void start_container(void)
{
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
			 CLONE_NEWCGROUP | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&container,
		.exit_signal = SIGCHLD,
	};
	char byte;
	int done[2], host_root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	FLOOR_CHECK(host_root);
	FLOOR_CHECK(pipe2(done, O_CLOEXEC));
	int root = copy_root(host_root);
	int pid = (int)syscall(SYS_clone3, &args, sizeof(args));
	FLOOR_CHECK(pid);
	if (pid == 0)
		stay(root, done[1]);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	*maps_written = 1;
	close(done[1]);
	FLOOR_CHECK(read(done[0], &byte, 1) == 1 ? 0 : -1);
	close(done[0]);
	close(root);
	close(host_root);
}

static int program_child(void *argument)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	floor_exec(program, 1000);
	return 1;
}

/* Its next child is in the pid namespace. */
static int joining_child(void *argument)
{
	int status;
	FLOOR_CHECK(setns(container, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
					     CLONE_NEWNET | CLONE_NEWCGROUP));
	FLOOR_CHECK(syscall(SYS_setresgid, 0, 0, 0));
	FLOOR_CHECK(syscall(SYS_setresuid, 0, 0, 0));
	int pid = clone(program_child, stacks[1] + sizeof(stacks[1]), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	FLOOR_CHECK(pid);
	FLOOR_CHECK(wait4(pid, &status, 0, NULL));
	_exit(status != 0);
}

static void once(void)
{
	int status;
	int pid = clone(joining_child, stacks[0] + sizeof(stacks[0]), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	FLOOR_CHECK(pid);
	FLOOR_CHECK(wait4(pid, &status, 0, NULL));
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
	start_container();
	return floor_main(argc, argv, once);
}
