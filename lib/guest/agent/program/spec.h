/* SPDX-License-Identifier: MIT */
/* A command as SPAWN describes it. */
#ifndef GUEST_AGENT_PROGRAM_SPEC_H
#define GUEST_AGENT_PROGRAM_SPEC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "guest/agent/message.h"
#include "guest/agent/spawn_message.h"

struct spec {
	uint32_t flags;
	uid_t uid;
	gid_t gid;
	uint16_t columns, rows;
	uint64_t cpu_time_ms;
	uint8_t stream[3]; /* enum agent_stream */
	size_t group_count;
	gid_t groups[AGENT_GROUPS_MAX];
	size_t limit_count;
	int resource[AGENT_RLIMITS_MAX];
	struct rlimit limit[AGENT_RLIMITS_MAX];
	char *cwd;
	/* NULL-terminated; the strings lie in the blob. */
	char **programs, **argv, **env;
};

/* 0 or a negative errno; -EPROTO where it is none. The strings stay in the blob. */
int spec_parse(struct spec *spec, uint8_t *blob, size_t size);
void spec_release(struct spec *spec);

#endif
