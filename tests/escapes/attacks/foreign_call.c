/* SPDX-License-Identifier: MIT */
/* chroot(2), which filters refuse, by its number in another ABI of the processor: int 0x80 of i386, or x32 (argv[2]).
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "attack.h"

#ifdef __x86_64__
enum { I386_CHROOT = 61, X32_BIT = 0x40000000 };

static int i386(void)
{
	long result;
	/* Where a pointer of 32 bits reaches. */
	char *path = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (path == MAP_FAILED)
		return BROKEN;
	strcpy(path, "/tmp");
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(I386_CHROOT), "b"(path) : "memory", "r8", "r9", "r10", "r11");
	errno = (int)-result;
	return result == 0 ? GOT_OUT : outcome(-1, "int 0x80");
}

int main(int argc, char **argv)
{
	if (!strcmp(argv[2], "i386"))
		return i386();
	return outcome(syscall(SYS_chroot | X32_BIT, "/tmp"), "x32");
}
#else
int main(void)
{
	return UNABLE;
}
#endif
