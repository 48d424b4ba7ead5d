/* SPDX-License-Identifier: MIT */
/* Processes: what a child has of its parent, how its end is told, and what executing a program leaves. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 }; /* linux/futex.h, which musl has not */

static volatile int value = 1;
static volatile sig_atomic_t children_told;

static int status_of(pid_t pid)
{
	int status;
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* Memory is the child's own, but for what is shared; files are the same. */
static int probe_fork(int argc, char **argv)
{
	int fds[2];
	char byte = 0, *heap = malloc(200000);
	volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(heap, 1, 200000);
	if (pipe(fds) < 0)
		return 1;
	for (int round = 0; round < 20; round++) {
		pid_t pid = fork();
		if (pid < 0)
			return 2;
		if (pid == 0) {
			value = 2;
			memset(heap, 2, round * 10000);
			*shared = round;
			_exit(write(fds[1], "c", 1) == 1 && getppid() == 2 ? 30 + round : 99);
		}
		if (read(fds[0], &byte, 1) != 1 || byte != 'c')
			return 3;
		int status = status_of(pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 30 + round || *shared != round)
			return 4;
		for (int i = 0; i < 200000; i++)
			if (heap[i] != 1 || value != 1)
				return 5;
	}
	return waitpid(-1, NULL, 0) == -1 && errno == ECHILD ? 0 : 6;
}

static void count_child(int signal, siginfo_t *info, void *context)
{
	children_told += info->si_code == CLD_KILLED && info->si_status == SIGTERM;
}

static int probe_child_signals(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = count_child, .sa_flags = SA_SIGINFO | SA_RESTART};
	siginfo_t info;
	sigaction(SIGCHLD, &action, NULL);
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	if (kill(pid, 0) != 0 || kill(4711, 0) == 0 || errno != ESRCH || kill(pid, SIGTERM) != 0)
		return 1;
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 || info.si_pid != pid || info.si_status != SIGTERM)
		return 2;
	int status = status_of(pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGTERM || children_told != 1)
		return 3;
	/* A loop without system calls, in a group of its own. */
	pid = fork();
	if (pid == 0)
		for (;;)
			__asm__ volatile("");
	if (setpgid(pid, 0) != 0 || getpgid(pid) != pid || waitpid(-pid, NULL, WNOHANG) != 0 ||
	    kill(-pid, SIGKILL) != 0)
		return 4;
	status = status_of(pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : 5;
}

/* Whose parent ends first is the child of process 1, which forgets it. */
static int probe_orphans(int argc, char **argv)
{
	int fds[2];
	pid_t parent = 0;
	if (pipe(fds) < 0)
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			while (getppid() != 1)
				sched_yield();
			parent = getppid();
			_exit(write(fds[1], &parent, sizeof(parent)) < 0);
		}
		_exit(0);
	}
	status_of(pid);
	if (read(fds[0], &parent, sizeof(parent)) != sizeof(parent) || parent != 1)
		return 2;
	return waitpid(-1, NULL, 0) == -1 && errno == ECHILD ? 0 : 3;
}

static void *execute(void *data)
{
	char *const argv[] = {"/probe", "after-exec", data, NULL};
	execve("/probe", argv, (char *[]){"SEEN=yes", NULL});
	_exit(98);
}

/* What is left of a process that has executed another program: argv[2] is a fd that was to be closed. */
static int probe_after_exec(int argc, char **argv)
{
	struct sigaction action;
	sigset_t set;
	if (argc != 3 || !getenv("SEEN") || getpid() != (pid_t)syscall(SYS_gettid))
		return 1;
	sigaction(SIGUSR1, NULL, &action);
	if (action.sa_handler != SIG_DFL)
		return 2;
	sigaction(SIGUSR2, NULL, &action);
	sigprocmask(SIG_BLOCK, NULL, &set);
	if (action.sa_handler != SIG_IGN || !sigismember(&set, SIGHUP))
		return 3;
	return fcntl(atoi(argv[2]), F_GETFD) == -1 && errno == EBADF ? 44 : 4;
}

static int probe_exec(int argc, char **argv)
{
	char text[16];
	sigset_t set;
	pthread_t thread;
	int fd = open("/fruit", O_RDONLY | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", fd);
	signal(SIGUSR1, SIG_IGN);
	struct sigaction action = {.sa_sigaction = count_child, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (execve("/no/such", argv, environ) != -1 || errno != ENOENT || execve("/fruit", argv, environ) != -1 ||
	    errno != EACCES || syscall(SYS_execve, 8L, argv, environ) != -1 || errno != EFAULT)
		return 1;
	if (syscall(SYS_execve, "/probe", 16L, environ) != -1 || errno != EFAULT)
		return 2;
	/* By another thread than the first one, in a child of fork(2) and in one of vfork(2). */
	pid_t pid = fork();
	if (pid == 0) {
		pthread_create(&thread, NULL, execute, text);
		for (;;)
			pause();
	}
	int status = status_of(pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 44)
		return 3;
	pid = vfork();
	if (pid == 0)
		execute(text);
	status = status_of(pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 44 ? 0 : 4;
}

/* A child of vfork(2) writes to its parent's memory; the parent has waited. */
static int probe_vfork(int argc, char **argv)
{
	pid_t pid = vfork();
	if (pid == 0) {
		value = 17;
		_exit(5);
	}
	return value == 17 && WEXITSTATUS(status_of(pid)) == 5 ? 0 : 1;
}

/* Ends with SIGSEGV in its parent too: it wrote to the stack that it has in common with it, which ends nobody else. */
static int probe_vfork_damage(int argc, char **argv)
{
	pid_t pid = vfork();
	if (pid == 0) {
		uint8_t *frame = __builtin_frame_address(0);
		for (int i = 0; i < 4096; i++)
			((volatile uint8_t *)frame)[i] = 0xcc;
		_exit(0);
	}
	return 0;
}

/* Waits for a word, at another address than the other process, until that one wakes it. */
static int wait_for_word(uint32_t *word)
{
	void *place = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t *other = mremap(word, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	const struct timespec time = {60, 0};
	if (other == MAP_FAILED)
		return 1;
	return syscall(SYS_futex, other + 9, FUTEX_WAIT, 0, &time, NULL, 0) == 0 ? 0 : 2;
}

static int probe_shared_word(int argc, char **argv)
{
	uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(wait_for_word(word));
	long woken;
	while ((woken = syscall(SYS_futex, word + 9, FUTEX_WAKE, 1, NULL, NULL, 0)) == 0)
		usleep(10000);
	int status = status_of(pid);
	printf("%ld %d\n", woken, WEXITSTATUS(status));
	return 0;
}

static int probe_fork_bomb(int argc, char **argv)
{
	for (;;)
		if (fork() < 0 && errno != EAGAIN)
			_exit(9);
}

/* Ends itself while its children still run: the guest ends with it. */
static int probe_leave_children(int argc, char **argv)
{
	for (int i = 0; i < 5; i++)
		if (fork() == 0)
			for (;;)
				__asm__ volatile("");
	return 12;
}

static int probe_count_children(int argc, char **argv)
{
	int count = 0;
	pid_t pid;
	while ((pid = fork()) > 0)
		count++;
	if (pid == 0)
		for (;;)
			pause();
	printf("%d %s\n", count + 1, strerror(errno));
	return 0;
}

const struct probe process_probes[] = {
	{"fork", probe_fork},
	{"child-signals", probe_child_signals},
	{"orphans", probe_orphans},
	{"after-exec", probe_after_exec},
	{"exec", probe_exec},
	{"vfork", probe_vfork},
	{"vfork-damage", probe_vfork_damage},
	{"shared-word", probe_shared_word},
	{"fork-bomb", probe_fork_bomb},
	{"leave-children", probe_leave_children},
	{"count-children", probe_count_children},
	{0},
};
