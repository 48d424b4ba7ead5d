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

bool stock_is_wanted(char out_method[STOCK_METHOD_MAX])
{
	_cleanup_close_ int fd = open(ROOT_STOCK_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out_method, STOCK_METHOD_MAX - 1);
	out_method[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool find_port(const char *method, char *out_path, size_t size)
{
	if (!strcmp(method, ROOT_STOCK_VIRTIO))
		return port_find(ROOT_STOCK_PORT, out_path, size);
	return snprintf(out_path, size, "/dev/ttyS1") < (int)size && access(out_path, F_OK) == 0;
}

static void run(const char *method, const char *path)
{
	char *const argv[] = {"qemu-ga", "-m", (char *)method, "-p", (char *)path, "-t", "/run", NULL};
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

_Noreturn void stock_run(const char *method)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000};
	char path[64];
	for (;;) {
		pid_t ended, program = find_port(method, path, sizeof(path)) ? fork() : -1;
		if (program == 0)
			run(method, path);
		while (program > 0 && (ended = waitpid(-1, NULL, 0)) != program && ended > 0)
			;
		nanosleep(&pause, NULL);
	}
}
