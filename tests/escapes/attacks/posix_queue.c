/* SPDX-License-Identifier: MIT */
/* A message of the host: in the POSIX queue with the name argv[2], which lies in no directory of the root. */
#include <mqueue.h>

#include "attack.h"

int main(int argc, char **argv)
{
	char text[64] = "";
	mqd_t queue = mq_open(argv[2], O_RDWR | O_NONBLOCK);
	if (queue < 0 || mq_receive(queue, text, sizeof(text), NULL) < 0)
		return refused("mq_open");
	mq_send(queue, text, strlen(text) + 1, 0);
	return strcmp(text, SECRET) ? BROKEN : GOT_OUT;
}
