/* SPDX-License-Identifier: MIT */
/* Host programs of their own, forked from the test, that may be killed or spoil their own process. */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <sys/types.h>

/* Runs the function in a fork, whose failed assertions end it by SIGABRT. */
pid_t host_start(void (*function)(void *), void *argument);
/* The host must end by itself, with success. */
void host_must_succeed(pid_t host);
/* Both at once. */
void in_a_host(void (*function)(void *), void *argument);
/* Kills it by SIGKILL and reaps it. */
void host_kill(pid_t host);

/* For a host that tells the test when it is ready, by one byte or a line of text. */
struct ready_pipe {
	int read, write;
};
void ready_init(struct ready_pipe *ready);
void ready_tell(const struct ready_pipe *ready, const char *line);
/* Waits for a line; false where the host ended before. The line is without its end. */
int ready_wait(const struct ready_pipe *ready, char *line, int size);
void ready_close(struct ready_pipe *ready);

#endif
