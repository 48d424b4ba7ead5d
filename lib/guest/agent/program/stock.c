/* SPDX-License-Identifier: MIT */
/* As the first process of a guest in which the root's own qemu-ga is to serve: it is kept running. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/agent/program/agent.h"
#include "guest/agent/root_medium.h"

#define PROGRAM "/usr/sbin/qemu-ga"

/* PAUSE_MS: between two looks for the port, or two starts. */
enum { PAUSE_MS = 500 };

bool stock_is_wanted(void)
{
	return access(ROOT_STOCK_FILE, F_OK) == 0;
}

static void run(const char *path)
{
	char *const argv[] = {"qemu-ga", "-m", "virtio-serial", "-p", (char *)path, "-t", "/run", NULL};
	char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	sigset_t none;
	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	execve(PROGRAM, argv, env);
	perror("viso-agent: " PROGRAM);
	_exit(127);
}

_Noreturn void stock_run(void)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
	char path[64];
	for (;;) {
		pid_t ended, program = port_find(ROOT_STOCK_PORT, path, sizeof(path)) ? fork() : -1;
		if (program == 0)
			run(path);
		while (program > 0 && (ended = waitpid(-1, NULL, 0)) != program && ended > 0)
			;
		nanosleep(&pause, NULL);
	}
}
