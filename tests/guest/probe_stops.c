/* SPDX-License-Identifier: MIT */
/* Processes that are stopped and go on. */
#include "probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t told, code;

static void on_child(int signal, siginfo_t *info, void *context)
{
	told++;
	code = info->si_code;
}

static void watch_children(int flags)
{
	const struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART | flags};
	check(sigaction(SIGCHLD, &action, NULL) == 0);
}

static int stop_and_go_on(int argc, char **argv)
{
	volatile long *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	watch_children(0);
	pid_t child = fork();
	while (child == 0)
		++*count;
	check(kill(child, SIGSTOP) == 0);
	check(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	check(told == 1 && code == CLD_STOPPED);
	/* It is told once, and it stands still. */
	check(waitpid(child, &status, WUNTRACED | WNOHANG) == 0);
	long before = *count;
	usleep(50000);
	check(*count == before);
	/* Other signals wait. */
	check(kill(child, SIGUSR1) == 0);
	usleep(20000);
	check(waitpid(child, &status, WNOHANG) == 0 && *count == before);
	check(kill(child, SIGCONT) == 0);
	/* It may have ended by then. */
	check(waitpid(child, &status, WCONTINUED) == child);
	if (WIFCONTINUED(status))
		check(waitpid(child, &status, 0) == child);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	/* And of both SIGCHLD one may have come, which tells of the first. */
	check(code == CLD_KILLED || code == CLD_CONTINUED);
	return 0;
}

static int stop_in_a_call(int argc, char **argv)
{
	int ends[2], status;
	char byte;
	siginfo_t info;
	watch_children(SA_NOCLDSTOP);
	check(pipe(ends) == 0);
	pid_t child = fork();
	if (child == 0)
		_exit(read(ends[0], &byte, 1) == 1 && byte == 'x' && read(ends[0], &byte, 1) == 1 ? 7 : 1);
	usleep(20000);
	check(kill(child, SIGSTOP) == 0);
	check(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT) == 0 && info.si_code == CLD_STOPPED &&
	      info.si_status == SIGSTOP && info.si_pid == child);
	check(waitid(P_PID, (id_t)child, &info, WSTOPPED) == 0 && info.si_pid == child);
	check(write(ends[1], "x", 1) == 1);
	usleep(20000);
	/* What is stopped has not ended, and is not told again. */
	check(waitid(P_PID, (id_t)child, &info, WEXITED | WSTOPPED | WNOHANG) == 0 && info.si_pid == 0);
	check(told == 0);
	check(kill(child, SIGCONT) == 0);
	/* Once it has ended, nobody is told any more that it went on. */
	check(waitid(P_PID, (id_t)child, &info, WCONTINUED) == 0 && info.si_code == CLD_CONTINUED &&
	      info.si_status == SIGCONT);
	check(write(ends[1], "y", 1) == 1);
	check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7 && told == 1);
	return 0;
}

static int stop_and_kill(int argc, char **argv)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	check(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	check(kill(child, SIGKILL) == 0);
	check(waitpid(child, &status, WCONTINUED) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return 0;
}

/* SIGTSTP: can be handled and ignored; and stops nobody in a group that nobody looks after. */
static int stop_by_terminal(int argc, char **argv)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		setpgid(0, 0);
		signal(SIGTSTP, SIG_IGN);
		raise(SIGTSTP);
		signal(SIGTSTP, SIG_DFL);
		raise(SIGTSTP);
		_exit(3);
	}
	check(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
	check(kill(-child, SIGCONT) == 0);
	check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 3);
	child = fork();
	if (child == 0) {
		setsid();
		raise(SIGTSTP);
		_exit(4);
	}
	check(waitpid(child, &status, WUNTRACED) == child && WIFEXITED(status) && WEXITSTATUS(status) == 4);
	/* And the first process. */
	raise(SIGSTOP);
	return 0;
}

/* All threads of a process stand still, and one that has lost its parent goes on with SIGHUP. */
static int stop_orphan(int argc, char **argv)
{
	int ends[2];
	char bytes[2] = {0};
	check(pipe(ends) == 0);
	if (fork() == 0) {
		pid_t child = fork();
		int status;
		if (child == 0) {
			setpgid(0, 0);
			signal(SIGHUP, SIG_IGN);
			raise(SIGSTOP);
			_exit(write(ends[1], "c", 1) != 1);
		}
		check(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
		_exit(write(ends[1], "p", 1) != 1);
	}
	check(read(ends[0], &bytes[0], 1) == 1 && read(ends[0], &bytes[1], 1) == 1);
	check(memcmp(bytes, "pc", 2) == 0);
	return 0;
}

const struct probe stop_probes[] = {
	{"stop-and-go-on", stop_and_go_on},     {"stop-in-a-call", stop_in_a_call}, {"stop-and-kill", stop_and_kill},
	{"stop-by-terminal", stop_by_terminal}, {"stop-orphan", stop_orphan},       {0},
};
