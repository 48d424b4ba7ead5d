/* SPDX-License-Identifier: MIT */
/* An accomplice outside hands in a directory of the host, by a unix socket: the one that is standard input, or, with a
 * name as argv[3], one that is connected to: an abstract one where it begins with `@`. argv[2] says what is done with
 * it. */
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "attack.h"

static int connect_to(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] != '@'));
	return connect(fd, (struct sockaddr *)&address, size) < 0 ? -1 : fd;
}

static int receive(int fd)
{
	int directory;
	char byte = 'x', control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	if (send(fd, &byte, 1, 0) != 1 || recvmsg(fd, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&directory, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(directory));
	return directory;
}

/* Above the root now, with names that lead on. */
static int from_there(int directory, const char *what)
{
	if (fchdir(directory) < 0)
		return refused("fchdir");
	if (!strcmp(what, "change"))
		return chmod("0", 0644) == 0 || chmod("65534", 0644) == 0 ? GOT_OUT : refused("chmod");
	if (!strcmp(what, "watch"))
		return inotify_add_watch(inotify_init(), "secret", IN_OPEN) >= 0 ? GOT_OUT
										 : refused("inotify_add_watch");
	if (!strcmp(what, "connect"))
		return connect_to("socket") >= 0 ? GOT_OUT : refused("connect");
	if (!strcmp(what, "create")) {
		char name[32];
		snprintf(name, sizeof(name), "of-%d", (int)getpid());
		return open(name, O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0 ? GOT_OUT : refused("open");
	}
	if (!strcmp(what, "execute")) {
		char *const argv[] = {(char *)"true", NULL};
		execv("true", argv);
		return refused("execve");
	}
	return BROKEN;
}

int main(int argc, char **argv)
{
	int fd = argc > 3 ? connect_to(argv[3]) : 0;
	if (fd < 0)
		return refused("connect");
	int directory = receive(fd);
	if (directory < 0)
		return refused("recvmsg");
	if (!strcmp(argv[2], "read"))
		return reaches_secret(directory, argv[1]) || is_secret(openat(directory, "secret", O_RDONLY))
			       ? GOT_OUT
			       : refused("openat");
	return from_there(directory, argv[2]);
}
