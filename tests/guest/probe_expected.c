/* SPDX-License-Identifier: MIT */
/* Calls that few programs make, and those miss where they are not there. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, ADVICE_WIPEONFORK = 18, CALL_PIDFD_SEND_SIGNAL = 424, CALL_PIDFD_OPEN = 434 };
static const idtype_t by_pidfd = 3; /* P_PIDFD */

static int use_signalfd(int argc, char **argv)
{
	struct signalfd_siginfo info[3];
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	check(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), epoll = epoll_create1(0);
	check(fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	check(read(fd, info, sizeof(info)) == -1 && errno == EAGAIN && epoll_wait(epoll, &event, 1, 0) == 0);
	raise(SIGUSR1);
	check(epoll_wait(epoll, &event, 1, 1000) == 1);
	check(read(fd, info, sizeof(info)) == sizeof(info[0]) && info[0].ssi_signo == SIGUSR1 &&
	      info[0].ssi_pid == (uint32_t)getpid());
	pid_t child = fork();
	if (child == 0) {
		usleep(30000);
		_exit(5);
	}
	struct pollfd one = {fd, POLLIN, 0};
	check(poll(&one, 1, 10000) == 1 && read(fd, info, sizeof(info)) == sizeof(info[0]));
	check(info[0].ssi_signo == SIGCHLD && info[0].ssi_pid == (uint32_t)child && info[0].ssi_status == 5 &&
	      info[0].ssi_code == CLD_EXITED);
	/* It blocks, and the set can be another one. */
	sigdelset(&set, SIGCHLD);
	check(signalfd(fd, &set, 0) == fd && fcntl(fd, F_SETFL, 0) == 0 && waitpid(child, NULL, 0) == child);
	child = fork();
	if (child == 0) {
		usleep(30000);
		_exit(kill(getppid(), SIGUSR1));
	}
	check(read(fd, info, sizeof(info)) == sizeof(info[0]) && info[0].ssi_pid == (uint32_t)child);
	return 0;
}

static int use_pidfd(int argc, char **argv)
{
	siginfo_t info;
	pid_t child = fork();
	if (child == 0)
		for (;;)
			pause();
	int fd = (int)syscall(CALL_PIDFD_OPEN, child, 0);
	struct pollfd one = {fd, POLLIN, 0};
	check(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && poll(&one, 1, 0) == 0);
	check(syscall(CALL_PIDFD_SEND_SIGNAL, fd, 0, NULL, 0) == 0);
	check(syscall(CALL_PIDFD_SEND_SIGNAL, fd, SIGTERM, NULL, 0) == 0);
	check(poll(&one, 1, 10000) == 1);
	check(waitid(by_pidfd, (id_t)fd, &info, WEXITED) == 0 && info.si_pid == child && info.si_status == SIGTERM);
	check(poll(&one, 1, 0) == 1);
	check(syscall(CALL_PIDFD_SEND_SIGNAL, fd, SIGTERM, NULL, 0) == -1 && errno == ESRCH);
	check(waitid(by_pidfd, (id_t)fd, &info, WEXITED) == -1 && errno == ECHILD);
	check(waitid(by_pidfd, 0, &info, WEXITED) == -1 && errno == EBADF);
	check(syscall(CALL_PIDFD_OPEN, child, 0) == -1 && errno == ESRCH);
	return 0;
}

/* Memory that children do not get, and what of it is there. */
static int wipe_on_fork(int argc, char **argv)
{
	unsigned char there[4];
	char *memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status;
	check(mincore(memory, 4 * PAGE, there) == 0 && there[0] == 0 && there[3] == 0);
	memset(memory, 'x', 4 * PAGE);
	check(mincore(memory, 4 * PAGE, there) == 0 && (there[0] & 1) && (there[3] & 1));
	check(madvise(memory + PAGE, PAGE, ADVICE_WIPEONFORK) == 0);
	pid_t child = fork();
	if (child == 0)
		_exit(memory[0] != 'x' || memory[PAGE] != 0 || memory[2 * PAGE] != 'x');
	check(waitpid(child, &status, 0) == child && status == 0 && memory[PAGE] == 'x');
	check(madvise(memory, PAGE, MADV_DONTNEED) == 0 && memory[0] == 0);
	check(mlock(memory, PAGE) == 0 && mlockall(MCL_CURRENT) == 0 && munlockall() == 0);
	check(munmap(memory, 4 * PAGE) == 0 && mincore(memory, PAGE, there) == -1 && errno == ENOMEM);
	return 0;
}

/* A lock is waited for without looking again and again, and had once it is free: by close, and by the end. */
static int wait_for_locks(int argc, char **argv)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
	int status, fd = open("/tmp/lock", O_RDWR | O_CREAT, 0600);
	check(fd >= 0 && flock(fd, LOCK_EX) == 0);
	pid_t child = fork();
	if (child == 0) {
		int own = open("/tmp/lock", O_RDWR);
		close(fd);
		_exit(flock(own, LOCK_EX) < 0 || fcntl(own, F_SETLKW, &lock) < 0);
	}
	usleep(30000);
	check(waitpid(child, &status, WNOHANG) == 0);
	check(flock(fd, LOCK_UN) == 0 && waitpid(child, &status, 0) == child && status == 0);
	int ends[2];
	char byte;
	check(pipe(ends) == 0);
	child = fork();
	if (child == 0) {
		check(fcntl(fd, F_SETLK, &lock) == 0 && write(ends[1], "x", 1) == 1);
		usleep(50000);
		_exit(0);
	}
	check(read(ends[0], &byte, 1) == 1);
	check(fcntl(fd, F_SETLKW, &lock) == 0 && waitpid(child, &status, 0) == child && status == 0);
	return 0;
}

/* The directory that another process works in gets another name. */
static int rename_under(int argc, char **argv)
{
	char path[100];
	int ends[2], ready[2], status;
	check(mkdir("/tmp/before", 0755) == 0 && mkdir("/tmp/before/inner", 0755) == 0);
	check(pipe(ends) == 0 && pipe(ready) == 0);
	int directory = open("/tmp/before", O_RDONLY | O_DIRECTORY);
	pid_t child = fork();
	if (child == 0) {
		check(chdir("/tmp/before/inner") == 0 && write(ready[1], "x", 1) == 1);
		check(read(ends[0], path, 1) == 1);
		check(getcwd(path, sizeof(path)) && strcmp(path, "/tmp/after/inner") == 0);
		check(open("file", O_WRONLY | O_CREAT, 0600) >= 0);
		_exit(0);
	}
	check(read(ready[0], path, 1) == 1);
	check(rename("/tmp/before", "/tmp/after") == 0 && write(ends[1], "x", 1) == 1);
	check(waitpid(child, &status, 0) == child && status == 0);
	check(access("/tmp/after/inner/file", F_OK) == 0 && faccessat(directory, "inner/file", F_OK, 0) == 0);
	return 0;
}

const struct probe expected_probes[] = {
	{"use-signalfd", use_signalfd},     {"use-pidfd", use_pidfd},       {"wipe-on-fork", wipe_on_fork},
	{"wait-for-locks", wait_for_locks}, {"rename-under", rename_under}, {0},
};
