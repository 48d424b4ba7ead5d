/* SPDX-License-Identifier: MIT */
/* The table of all rules. */
#include "root/provider/provider.h"

#include <virtiso/root.h>

#include "root/provider/python.h"

static const struct {
	viso_provider provider;
	provider_fn add;
} rules[] = {
	{VISO_PROVIDER_RUNTIME, python_add},
};

int providers_add(struct closure *closure, const char *host, unsigned off)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!(off >> rules[i].provider & 1))
			r = rules[i].add(closure, host);
	return r;
}
