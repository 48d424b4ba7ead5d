/* SPDX-License-Identifier: MIT */
/* What the benchmark runs in the sandbox: the least that a program can do. Linked statically. */

int main(void)
{
	return 0;
}
