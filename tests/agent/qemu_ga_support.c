/* SPDX-License-Identifier: MIT */
#include "qemu_ga_support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

static char *directory;

static const char *find_program(void)
{
	static const char *const places[] = {"/usr/sbin/qemu-ga", "/usr/bin/qemu-ga"};
	const char *given = getenv("VISO_TEST_QEMU_GA");
	for (int i = 0; !given && i < 2; i++)
		if (access(places[i], X_OK) == 0)
			given = places[i];
	return given;
}

static int reach(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_true(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	for (int i = 0; i < 3000; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		close(fd);
		usleep(10000);
	}
	fail_msg("qemu-ga does not listen");
	return -1;
}

/* What is of the whole machine is forbidden to it. */
static void run_agent(const char *program, const char *path)
{
	int null = open("/dev/null", O_RDWR);
	dup2(null, 1);
	dup2(null, 2);
	execl(program, program, "-m", "unix-listen", "-p", path, "-t", directory,
	      "--blacklist=guest-shutdown,guest-set-time,guest-fsfreeze-freeze,guest-fsfreeze-thaw,guest-suspend-disk,"
	      "guest-suspend-ram,guest-suspend-hybrid,guest-set-vcpus,guest-set-memory-blocks,guest-set-user-password,"
	      "guest-fstrim",
	      NULL);
	_exit(127);
}

int qemu_ga_start(pid_t *out_pid)
{
	char path[200];
	const char *program = find_program();
	if (!program)
		return -1;
	directory = support_temporary_directory();
	snprintf(path, sizeof(path), "%s/socket", directory);
	*out_pid = fork();
	if (*out_pid == 0)
		run_agent(program, path);
	return reach(path);
}

const char *qemu_ga_directory(void)
{
	return directory;
}

void qemu_ga_stop(pid_t pid)
{
	/* qemu-ga does not always take SIGTERM for its end where commands have just ended. */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	support_remove_tree(directory);
	free(directory);
}
