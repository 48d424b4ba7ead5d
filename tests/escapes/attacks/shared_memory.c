/* SPDX-License-Identifier: MIT */
/* A System V memory segment of the host, by its global key argv[2]. */
#include <sys/shm.h>

#include "attack.h"

int main(int argc, char **argv)
{
	int id = shmget((key_t)strtol(argv[2], NULL, 0), 0, 0);
	if (id < 0)
		return refused("shmget");
	const char *memory = shmat(id, NULL, 0);
	return memory != (void *)-1 && !strcmp(memory, SECRET) ? GOT_OUT : refused("shmat");
}
