/* SPDX-License-Identifier: MIT */
/* Programs that have the library keep or do more and more for them. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2];

static void *read_late(void *data)
{
	static char buffer[100000];
	usleep(100000);
	for (int i = 0; i < 3; i++)
		if (read(ends[1], buffer, sizeof(buffer)) != sizeof(buffer))
			exit(2);
	return NULL;
}

/* The queue has room for less than a message: a reader ends the wait, if there is one. */
static int fill_pair(int argc, char **argv)
{
	static char message[100000];
	int type = strcmp(argv[2], "datagrams") == 0 ? SOCK_DGRAM : SOCK_SEQPACKET;
	pthread_t thread;
	if (socketpair(AF_UNIX, type, 0, ends) < 0)
		return 1;
	if (argc > 3 && pthread_create(&thread, NULL, read_late, NULL))
		return 1;
	for (int i = 0; i < 3; i++)
		if (send(ends[0], message, sizeof(message), 0) != sizeof(message))
			return 1;
	if (argc > 3)
		pthread_join(thread, NULL);
	puts("done");
	return 0;
}

/* Each poll(2) of many entries would look at many epolls, each of which looks at many again. */
static int nest_epolls(int argc, char **argv)
{
	enum { ITEMS = 200, ENTRIES = 1000 };
	static struct pollfd entries[ENTRIES];
	struct epoll_event event = {.events = EPOLLIN};
	int counter = eventfd(0, 0), inner = epoll_create1(0), outer = epoll_create1(0);
	for (int i = 0; i < ITEMS; i++)
		if (epoll_ctl(inner, EPOLL_CTL_ADD, dup(counter), &event) < 0 ||
		    epoll_ctl(outer, EPOLL_CTL_ADD, dup(inner), &event) < 0)
			return 1;
	for (int i = 0; i < ENTRIES; i++)
		entries[i] = (struct pollfd){.fd = outer, .events = POLLIN};
	int before = poll(entries, ENTRIES, 0);
	if (write(counter, &(uint64_t){1}, 8) != 8)
		return 1;
	printf("%d %d\n", before, poll(entries, ENTRIES, 0));
	return 0;
}

static ssize_t send_rights(int to, const int *fds, size_t count, size_t size)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {"x", size};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = CMSG_LEN(count * sizeof(int))};
	struct cmsghdr *message = CMSG_FIRSTHDR(&header);
	*message = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	if (count)
		memcpy(CMSG_DATA(message), fds, count * sizeof(int));
	return sendmsg(to, &header, MSG_DONTWAIT);
}

/* Bytes with which no file comes are as cheap as any. */
static int send_no_rights(int argc, char **argv)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return 1;
	for (int i = 0; i < 80000; i++)
		if (send_rights(ends[0], NULL, 0, 1) != 1)
			return 1;
	puts("done");
	return 0;
}

/* Files that no byte brings are not sent, and not kept either. */
static int send_rights_alone(int argc, char **argv)
{
	int fd = open("/fruit", O_RDONLY);
	if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return 1;
	for (int i = 0; i < 10000; i++)
		if (send_rights(ends[0], &fd, 1, 0) != 0)
			return 1;
	puts("done");
	return 0;
}

/* Mappings that cannot be joined: in each process as many as it gets. */
static int map_all(int argc, char **argv)
{
	int flags = MAP_FIXED | MAP_ANONYMOUS | (strcmp(argv[2], "shared") == 0 ? MAP_SHARED : MAP_PRIVATE);
	size_t size = strtoul(argv[3], NULL, 0);
	char *place = (char *)0x10000000000;
	for (int i = 0; i < 65536; i++, place += size)
		if (mmap(place, size, i % 2 ? PROT_READ : PROT_WRITE, flags, -1, 0) == MAP_FAILED)
			break;
	for (int i = 0; i < atoi(argv[4]); i++)
		if (fork() == 0)
			for (;;)
				pause();
	puts("done");
	return 0;
}

const struct probe bounds_probes[] = {
	{"map-all", map_all},
	{"fill-pair", fill_pair},
	{"nest-epolls", nest_epolls},
	{"send-no-rights", send_no_rights},
	{"send-rights-alone", send_rights_alone},
	{0},
};
