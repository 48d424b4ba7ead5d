/* SPDX-License-Identifier: MIT */
/*
 * The floor of container/pool: a container that is cloned into what can be there before: a mount namespace with
 * everything that it cannot change, and an empty network namespace. That is used again and again, so after each
 * container it takes a look whether anything is left in it: nobody may do without.
 *
 *   floor_pool N ROOT PROGRAM
 */
#include <stdbool.h>

#include "floor_mounts.h"

static const char *root_path, *program;
static char stack[65536] __attribute__((aligned(16)));
static volatile int *maps_written; /* shared with the child */
static int home_mounts, home_network, mounts, network, home_root;

/* Those of lib/launch/program/pristine.c. */
static const char *const traces[] = {"dev", "sockstat", "ip6_flowlabel", "rt6_stats", "snmp", "snmp6"};
enum { TRACES = sizeof(traces) / sizeof(traces[0]), TEXT_MAX = 8192 };
static struct {
	int fd;
	ssize_t size;
	char text[TEXT_MAX];
} pristine[TRACES];

static void note_pristine(void)
{
	char path[64];
	for (int i = 0; i < TRACES; i++) {
		snprintf(path, sizeof(path), "/proc/self/net/%s", traces[i]);
		pristine[i].fd = open(path, O_RDONLY | O_CLOEXEC); /* not all are there without IPv6 */
		pristine[i].size = pread(pristine[i].fd, pristine[i].text, TEXT_MAX, 0);
	}
}

static void check_pristine(void)
{
	static char text[TEXT_MAX];
	for (int i = 0; i < TRACES; i++) {
		ssize_t size = pread(pristine[i].fd, text, TEXT_MAX, 0);
		/* The memory of sockets is that of all namespaces. */
		bool shared = strcmp(traces[i], "sockstat") == 0;
		if (size != pristine[i].size && !shared)
			floor_die(traces[i]);
		if (size > 0 && memcmp(text, pristine[i].text, shared ? strcspn(text, "\n") : (size_t)size) != 0)
			floor_die(traces[i]);
	}
}

static void make_template(int root, int done)
{
	become_inner_root(maps_written);
	FLOOR_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	FLOOR_CHECK(syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
	mount_proc(root);
	make_dev(root, 0);
	pivot_to(root);
	FLOOR_CHECK(write(done, "", 1));
	pause();
}

static void make_ready(void)
{
	struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, .exit_signal = SIGCHLD};
	char path[64], byte;
	int done[2], host_root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	FLOOR_CHECK(host_root);
	FLOOR_CHECK(pipe2(done, O_CLOEXEC));
	int root = copy_root(host_root);
	home_mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	home_network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	home_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int pid = (int)syscall(SYS_clone3, &args, sizeof(args));
	FLOOR_CHECK(pid);
	if (pid == 0)
		make_template(root, done[1]);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	*maps_written = 1;
	close(done[1]);
	FLOOR_CHECK(read(done[0], &byte, 1) == 1 ? 0 : -1);
	close(done[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	mounts = open(path, O_RDONLY | O_CLOEXEC);
	FLOOR_CHECK(mounts);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(root);
	close(host_root);
	FLOOR_CHECK(unshare(CLONE_NEWNET));
	loopback_up();
	network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	note_pristine();
	FLOOR_CHECK(setns(home_network, CLONE_NEWNET));
}

static int program_child(void *argument)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	floor_exec(program, 1000);
	return 1;
}

static void init(void)
{
	int status;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	FLOOR_CHECK(sethostname("container", 9));
	become_inner_root(maps_written);
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	mount_proc(root);
	attach(filesystem("devpts", "0620", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), root, "dev/pts");
	mount_tmp(root, "dev/shm");
	mount_tmp(root, "tmp");
	close(root);
	int pid = clone(program_child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	syscall(SYS_close_range, 0u, ~0u, 0);
	FLOOR_CHECK(wait4(pid, &status, 0, NULL));
	_exit(status != 0);
}

static void once(void)
{
	int pidfd, status;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
			 CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	*maps_written = 0;
	FLOOR_CHECK(setns(mounts, CLONE_NEWNS));
	FLOOR_CHECK(setns(network, CLONE_NEWNET));
	int pid = (int)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		init();
	FLOOR_CHECK(pid);
	FLOOR_CHECK(setns(home_network, CLONE_NEWNET));
	FLOOR_CHECK(setns(home_mounts, CLONE_NEWNS));
	FLOOR_CHECK(fchdir(home_root));
	FLOOR_CHECK(chroot("."));
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	*maps_written = 1;
	FLOOR_CHECK(wait4(pid, &status, 0, NULL));
	close(pidfd);
	if (status != 0)
		floor_die("the program failed");
	check_pristine();
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	root_path = argv[2];
	program = argv[3];
	maps_written = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	make_ready();
	return floor_main(argc, argv, once);
}
