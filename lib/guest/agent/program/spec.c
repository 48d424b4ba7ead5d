/* SPDX-License-Identifier: MIT */
#include "guest/agent/program/spec.h"

#include <errno.h>
#include <stdlib.h>

#include "guest/agent/bytes.h"

/* A list is no longer than its strings could be: each takes five bytes at least. */
static int parse_list(struct unpacker *unpacker, char ***out)
{
	size_t count = unpack_u32(unpacker);
	if (unpacker->is_bad || count > unpacker->left / 5)
		return -EPROTO;
	char **list = calloc(count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	*out = list;
	for (size_t i = 0; i < count; i++)
		list[i] = (char *)unpack_string(unpacker);
	return unpacker->is_bad ? -EPROTO : 0;
}

static void parse_groups(struct unpacker *unpacker, struct spec *spec)
{
	spec->group_count = unpack_u8(unpacker);
	if (spec->group_count > AGENT_GROUPS_MAX)
		unpacker->is_bad = true;
	for (size_t i = 0; i < spec->group_count && !unpacker->is_bad; i++)
		spec->groups[i] = unpack_u32(unpacker);
}

static void parse_limits(struct unpacker *unpacker, struct spec *spec)
{
	spec->limit_count = unpack_u8(unpacker);
	if (spec->limit_count > AGENT_RLIMITS_MAX)
		unpacker->is_bad = true;
	for (size_t i = 0; i < spec->limit_count && !unpacker->is_bad; i++) {
		spec->resource[i] = unpack_u8(unpacker);
		spec->limit[i].rlim_cur = unpack_u64(unpacker);
		spec->limit[i].rlim_max = unpack_u64(unpacker);
	}
}

static void parse_head(struct unpacker *unpacker, struct spec *spec)
{
	spec->flags = unpack_u32(unpacker);
	spec->uid = unpack_u32(unpacker);
	spec->gid = unpack_u32(unpacker);
	spec->columns = unpack_u16(unpacker);
	spec->rows = unpack_u16(unpacker);
	spec->cpu_time_ms = unpack_u64(unpacker);
	for (int i = 0; i < 3; i++) {
		spec->stream[i] = unpack_u8(unpacker);
		if (spec->stream[i] > AGENT_STREAM_STDOUT || (spec->stream[i] == AGENT_STREAM_STDOUT && i != 2))
			unpacker->is_bad = true;
	}
	parse_groups(unpacker, spec);
	parse_limits(unpacker, spec);
	spec->cwd = (char *)unpack_string(unpacker);
}

static size_t count(char *const *list)
{
	size_t length = 0;
	while (list[length])
		length++;
	return length;
}

int spec_parse(struct spec *spec, uint8_t *blob, size_t size)
{
	struct unpacker unpacker = {.data = blob, .left = size};
	*spec = (struct spec){0};
	parse_head(&unpacker, spec);
	int r = unpacker.is_bad || (spec->flags & ~(uint32_t)AGENT_SPAWN_FLAGS) ? -EPROTO : 0;
	if (r == 0)
		r = parse_list(&unpacker, &spec->programs);
	if (r == 0)
		r = parse_list(&unpacker, &spec->argv);
	if (r == 0)
		r = parse_list(&unpacker, &spec->env);
	if (r < 0)
		return r;
	size_t needed = spec->flags & AGENT_SPAWN_RECEIVES ? 2 : 1;
	return unpack_is_done(&unpacker) && count(spec->argv) >= needed && spec->programs[0] ? 0 : -EPROTO;
}

void spec_release(struct spec *spec)
{
	free(spec->programs);
	free(spec->argv);
	free(spec->env);
}
