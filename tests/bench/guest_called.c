/* SPDX-License-Identifier: MIT */
/* What the drivers call in a guest. */
#include <sys/syscall.h>
#include <unistd.h>
#include <virtiso/hypercall.h>

enum { PAGE = 4096, PAGES = 16 };

static char data[PAGES * PAGE];

uint64_t nothing(void);
uint64_t touch(void);
uint64_t ask(uint64_t count);

uint64_t nothing(void)
{
	return 0;
}

uint64_t touch(void)
{
	for (int i = 0; i < PAGES; i++)
		((volatile char *)data)[i * PAGE] = 1;
	return 0;
}

/* So many system calls, which do next to nothing. */
uint64_t ask(uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		syscall(SYS_getppid);
	return 0;
}

int main(void)
{
	viso_ready();
	return 1;
}
