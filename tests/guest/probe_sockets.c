/* SPDX-License-Identifier: MIT */
/* Messages that change while the call that sends or receives them waits. */
#include "probe.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 4 << 20 };

static struct iovec part;
static ssize_t moved;
static int ends[2];

static void *send_all(void *data)
{
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	moved = sendmsg(ends[0], &header, 0);
	shutdown(ends[0], SHUT_WR);
	return NULL;
}

static void *receive_all(void *data)
{
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	moved = recvmsg(ends[1], &header, MSG_WAITALL);
	return NULL;
}

static int start(pthread_t *thread, void *(*run)(void *))
{
	char *data = malloc(SIZE);
	memset(data, 'x', SIZE);
	part = (struct iovec){data, SIZE};
	return socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || pthread_create(thread, NULL, run, NULL);
}

/* No more comes than there was before the part shrank. */
static int shrink_sent(int argc, char **argv)
{
	static char buffer[65536];
	pthread_t thread;
	int before = 0, seen;
	ssize_t n, total = 0;
	if (start(&thread, send_all))
		return 1;
	do {
		seen = before;
		usleep(50000);
		ioctl(ends[1], FIONREAD, &before);
	} while (before == 0 || before != seen);
	part.iov_len = 1;
	while ((n = read(ends[1], buffer, sizeof(buffer))) > 0)
		total += n;
	pthread_join(thread, NULL);
	if (total != before || moved != total) {
		printf("%d bytes were sent, then %zd came, and %zd is told\n", before, total, moved);
		return 1;
	}
	puts("done");
	return 0;
}

/* What is received later goes nowhere else. */
static int shrink_received(int argc, char **argv)
{
	pthread_t thread;
	int left;
	if (start(&thread, receive_all) || write(ends[0], "abcdefgh", 8) != 8)
		return 1;
	/* Until it has these, and waits for more. */
	do
		usleep(1000);
	while (ioctl(ends[1], FIONREAD, &left) < 0 || left > 0);
	part.iov_len = 4;
	if (write(ends[0], "ijkl", 4) != 4)
		return 1;
	pthread_join(thread, NULL);
	if (moved != 8 || memcmp(part.iov_base, "abcdefghxxxx", 12) != 0) {
		printf("%zd bytes: %.12s\n", moved, (char *)part.iov_base);
		return 1;
	}
	puts("done");
	return 0;
}

const struct probe socket_probes[] = {
	{"shrink-sent", shrink_sent},
	{"shrink-received", shrink_received},
	{0},
};
