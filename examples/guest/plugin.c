/* SPDX-License-Identifier: MIT */
/*
 * A plugin that runs in a guest: a static program whose functions the host program calls. It knows nothing of the host
 * but <virtiso/hypercall.h>, which needs no library.
 *
 *   cc -static plugin.c -o plugin $(pkg-config --cflags libvirtiso)
 */
#include <ctype.h>
#include <virtiso/hypercall.h>

static uint64_t calls;

uint64_t add(uint64_t a, uint64_t b);
uint64_t count_calls(void);
int64_t shout(const char *in, size_t in_size, char *out, size_t out_max);

uint64_t add(uint64_t a, uint64_t b)
{
	return a + b;
}

/* After a reset it begins anew. */
uint64_t count_calls(void)
{
	return ++calls;
}

int64_t shout(const char *in, size_t in_size, char *out, size_t out_max)
{
	if (in_size > out_max)
		return -1;
	for (size_t i = 0; i < in_size; i++)
		out[i] = (char)toupper((unsigned char)in[i]);
	return (int64_t)in_size;
}

int main(void)
{
	/* Here a plugin would prepare what it needs. Then it stays here, and the host calls its functions. */
	viso_ready();
	return 1;
}
