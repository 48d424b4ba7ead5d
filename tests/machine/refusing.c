/* SPDX-License-Identifier: MIT */
#include "refusing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool refuses(struct refusing *refusing, const char *source)
{
	int i = 0;
	while (i < refusing->count && strcmp(refusing->sources[i], source))
		i++;
	if (i == refusing->count && i < SOURCES_MAX)
		snprintf(refusing->sources[refusing->count++], SOURCE_SIZE, "%s", source);
	return refusing->refused && !strcmp(refusing->refused, source);
}

static struct refusing *of(struct provider *provider, const char *source, bool *out_refused)
{
	struct refusing *refusing = (struct refusing *)provider->wrapped;
	*out_refused = refuses(refusing, source);
	return refusing;
}

static int refusing_open(struct provider *provider, const char *path, int flags)
{
	bool refused;
	struct refusing *refusing = of(provider, path, &refused);
	return refused ? refusing->error : refusing->inner.calls->open(&refusing->inner, path, flags);
}

static ssize_t refusing_read_link(struct provider *provider, const char *path, char *target, size_t size)
{
	bool refused;
	struct refusing *refusing = of(provider, path, &refused);
	return refused ? refusing->error : refusing->inner.calls->read_link(&refusing->inner, path, target, size);
}

static int refusing_cpuid(struct provider *provider, uint32_t leaf, uint32_t subleaf, struct cpuid_answer *out)
{
	bool refused;
	struct refusing *refusing = of(provider, "cpuid", &refused);
	return refused ? refusing->error : refusing->inner.calls->cpuid(&refusing->inner, leaf, subleaf, out);
}

static int refusing_msr(struct provider *provider, uint32_t number, uint64_t *out_value)
{
	bool refused;
	struct refusing *refusing = of(provider, "msr", &refused);
	return refused ? refusing->error : refusing->inner.calls->msr(&refusing->inner, number, out_value);
}

static int refusing_uname(struct provider *provider, struct utsname *out_name)
{
	bool refused;
	struct refusing *refusing = of(provider, "uname", &refused);
	return refused ? refusing->error : refusing->inner.calls->uname(&refusing->inner, out_name);
}

static int refusing_namespace(struct provider *provider, const char *name, uint64_t *out_inode)
{
	char source[32];
	bool refused;
	snprintf(source, sizeof(source), "ns/%s", name);
	struct refusing *refusing = of(provider, source, &refused);
	return refused ? refusing->error : refusing->inner.calls->namespace(&refusing->inner, name, out_inode);
}

static int refusing_mount_root(struct provider *provider)
{
	bool refused;
	struct refusing *refusing = of(provider, "root", &refused);
	return refused ? refusing->error : refusing->inner.calls->mount_root(&refusing->inner);
}

static const struct provider_calls calls = {
	.open = refusing_open,
	.read_link = refusing_read_link,
	.cpuid = refusing_cpuid,
	.msr = refusing_msr,
	.uname = refusing_uname,
	.namespace = refusing_namespace,
	.mount_root = refusing_mount_root,
};

void refusing_init(struct refusing *refusing, struct provider *out_provider)
{
	refusing->refused = NULL;
	refusing->count = 0;
	refusing->sources = calloc(SOURCES_MAX, SOURCE_SIZE);
	*out_provider = (struct provider){.calls = &calls, .root = -1, .wrapped = refusing};
}

void refusing_release(struct refusing *refusing)
{
	free(refusing->sources);
}
