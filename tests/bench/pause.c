/* SPDX-License-Identifier: MIT */
/* What runs in very many containers at once: nothing. */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
