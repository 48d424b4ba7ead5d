/* SPDX-License-Identifier: MIT */
/* A message of the host: in the System V queue with the global key argv[2]. */
#include <sys/msg.h>

#include "attack.h"

enum { COPY = 040000 }; /* MSG_COPY: leave it there */

int main(int argc, char **argv)
{
	struct {
		long type;
		char text[64];
	} message = {0};
	int id = msgget((key_t)strtol(argv[2], NULL, 0), 0);
	if (id < 0 || msgrcv(id, &message, sizeof(message.text), 0, IPC_NOWAIT) < 0)
		return refused("msgget");
	msgsnd(id, &message, sizeof(message.text), IPC_NOWAIT);
	return strcmp(message.text, SECRET) ? BROKEN : GOT_OUT;
}
