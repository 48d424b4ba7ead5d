/* SPDX-License-Identifier: MIT */
/*
 * A program in a guest that asks its host for what it has no other way to get: hypercall 1 gives the price of a thing.
 *
 *   cc -static asks.c -o asks $(pkg-config --cflags libvirtiso)
 */
#include <stdio.h>
#include <string.h>
#include <virtiso/hypercall.h>

enum { HYPERCALL_PRICE = 1 };

int main(void)
{
	static const char *const things[] = {"apples", "pears", "gold"};
	for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++) {
		int64_t price = viso_hypercall(HYPERCALL_PRICE, (uint64_t)(uintptr_t)things[i], strlen(things[i]), 0);
		if (price < 0)
			printf("%s: errno %lld\n", things[i], (long long)-price);
		else
			printf("%s: %lld\n", things[i], (long long)price);
	}
	return 0;
}
