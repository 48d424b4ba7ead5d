/* SPDX-License-Identifier: MIT */
/* A System V semaphore of the host, by its global key argv[2]: it is taken, and the host waits for ever. */
#include <sys/sem.h>

#include "attack.h"

int main(int argc, char **argv)
{
	struct sembuf up_and_down[] = {{.sem_op = 1}, {.sem_op = -1}};
	int id = semget((key_t)strtol(argv[2], NULL, 0), 0, 0);
	return id >= 0 && semop(id, up_and_down, 2) == 0 ? GOT_OUT : refused("semget");
}
