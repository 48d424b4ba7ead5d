/* SPDX-License-Identifier: MIT */
/* The parts of a filter, for the files that make them: a filter of libseccomp's for each, one behind the other. */
#ifndef LAUNCH_SECCOMP_FILTER_H
#define LAUNCH_SECCOMP_FILTER_H

#include <linux/filter.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>

#include "launch/seccomp/seccomp.h"

/* A filter in the making. */
struct instructions {
	struct sock_filter items[BPF_MAXINSNS];
	size_t count;
};

/* 0 or a negative errno: -E2BIG it is longer than the kernel takes. */
int instructions_add(struct instructions *to, const struct sock_filter *items, size_t count);

/* What a part returns for a call that it says nothing about: the next part is asked. No filter of ours uses it. */
#define ASK_NEXT SCMP_ACT_TRACE(0x7fff)

/* Appends what libseccomp makes of the context. 0 or a negative errno. */
int instructions_add_part(struct instructions *to, scmp_filter_ctx ctx);

/* A context as all parts need it; NULL without memory. */
scmp_filter_ctx part_new(uint32_t default_action);

/* default.c: the default profile. 0 or a negative errno. */
int default_profile_add(struct instructions *to, const struct seccomp_wish *wish);

/* rules.c: rules, of which the strictest holds; calls without one go to the next part. 0 or a negative errno.
 */
int rules_add(struct instructions *to, const struct seccomp_rules *rules);
uint32_t rule_action(uint32_t action, uint32_t error);

#endif
