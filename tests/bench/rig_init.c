/* SPDX-License-Identifier: MIT */
/* The first program of a kernel: its first words go to the serial port past the kernel, and then it waits for ever. */
#include <sys/io.h>
#include <unistd.h>

enum { SERIAL = 0x3f8 };

int main(void)
{
	if (ioperm(SERIAL, 1, 1) == 0)
		outb('!', SERIAL);
	for (;;)
		pause();
}
