/* SPDX-License-Identifier: MIT */
/* An accomplice outside hands in a directory, by an abstract socket whose name argv[2] needs no file system. */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "attack.h"

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), directory;
	strncpy(address.sun_path + 1, argv[2], sizeof(address.sun_path) - 2);
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(argv[2]))) < 0)
		return refused("connect");
	if (recvmsg(fd, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return BROKEN;
	memcpy(&directory, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(directory));
	return reaches_secret(directory, argv[1]) ? GOT_OUT : refused("openat");
}
