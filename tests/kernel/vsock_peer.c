/* SPDX-License-Identifier: MIT */
/* In a guest: says something to port 7 of the host and prints the answer, then echoes what comes to port 55. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As <linux/vm_sockets.h> has it. */
struct address {
	uint16_t family, reserved;
	uint32_t port, cid;
	uint8_t zero[4];
};

enum { HOST = 2, ANY = -1 };

int main(void)
{
	char text[64] = {0};
	const struct address host = {.family = AF_VSOCK, .port = 7, .cid = HOST};
	const struct address own = {.family = AF_VSOCK, .port = 55, .cid = (uint32_t)ANY};
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0), listener = socket(AF_VSOCK, SOCK_STREAM, 0);
	if (bind(listener, (const struct sockaddr *)&own, sizeof(own)) < 0 || listen(listener, 1) < 0)
		perror("listen");
	if (connect(fd, (const struct sockaddr *)&host, sizeof(host)) < 0)
		perror("connect");
	if (write(fd, "ready", 5) != 5 || read(fd, text, sizeof(text) - 1) <= 0)
		perror("port 7");
	printf("vsock %s\n", text);
	close(fd);
	fd = accept(listener, NULL, NULL);
	for (ssize_t size; (size = read(fd, text, sizeof(text))) > 0;)
		if (write(fd, text, (size_t)size) != size)
			perror("port 55");
	return 0;
}
