/* SPDX-License-Identifier: MIT */
/* The table of all rules. */
#include "root/provider/provider.h"

#include <virtiso/root.h>

#include "root/provider/gcc.h"
#include "root/provider/git.h"
#include "root/provider/interpreter.h"
#include "root/provider/java.h"
#include "root/provider/nginx.h"
#include "root/provider/python.h"

static const struct {
	viso_provider provider;
	provider_fn add;
} rules[] = {
	/* First, since the modules that these add can be what the other rules look for. */
	{VISO_PROVIDER_RUNTIME, python_add}, {VISO_PROVIDER_RUNTIME, perl_add}, {VISO_PROVIDER_RUNTIME, lua_add},
	{VISO_PROVIDER_RUNTIME, ruby_add},   {VISO_PROVIDER_RUNTIME, node_add}, {VISO_PROVIDER_RUNTIME, java_add},
	{VISO_PROVIDER_RUNTIME, gcc_add},    {VISO_PROVIDER_RUNTIME, git_add},  {VISO_PROVIDER_RUNTIME, nginx_add},
};

int providers_add(struct closure *closure, const char *host, unsigned off)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!(off >> rules[i].provider & 1))
			r = rules[i].add(closure, host);
	return r;
}
