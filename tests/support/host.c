/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

pid_t host_start(void (*function)(void *), void *argument)
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* Else a failed assertion would go on with the next test, here. */
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		support_time_limit(50);
		function(argument);
		fflush(NULL);
		_exit(0);
	}
	return pid;
}

static int reap(pid_t host)
{
	int status;
	while (waitpid(host, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

void host_must_succeed(pid_t host)
{
	int status = reap(host);
	if (status)
		fail_msg("the host ended with status %#x", (unsigned)status);
}

void in_a_host(void (*function)(void *), void *argument)
{
	host_must_succeed(host_start(function, argument));
}

void host_kill(pid_t host)
{
	assert_int_equal(kill(host, SIGKILL), 0);
	int status = reap(host);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

void ready_init(struct ready_pipe *ready)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	ready->read = ends[0];
	ready->write = ends[1];
}

void ready_tell(const struct ready_pipe *ready, const char *line)
{
	char text[4096];
	int length = snprintf(text, sizeof(text), "%s\n", line);
	assert_int_equal(write(ready->write, text, (size_t)length), length);
}

int ready_wait(const struct ready_pipe *ready, char *line, int size)
{
	int used = 0;
	char c;
	close(ready->write);
	while (read(ready->read, &c, 1) == 1) {
		if (c == '\n') {
			if (line)
				line[used] = '\0';
			return 1;
		}
		if (line && used < size - 1)
			line[used++] = c;
	}
	return 0;
}

void ready_close(struct ready_pipe *ready)
{
	close(ready->read);
}
