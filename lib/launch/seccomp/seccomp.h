/* SPDX-License-Identifier: MIT */
/* The seccomp filters of jails and containers. */
#ifndef LAUNCH_SECCOMP_SECCOMP_H
#define LAUNCH_SECCOMP_SECCOMP_H

#include <stdbool.h>
#include <virtiso/container_security.h>

#include "launch/request.h"

enum seccomp_compare {
	COMPARE_NE,
	COMPARE_LT,
	COMPARE_LE,
	COMPARE_EQ,
	COMPARE_GE,
	COMPARE_GT,
	COMPARE_MASKED, /* (argument & other) == value */
};

struct seccomp_condition {
	uint32_t argument; /* 0 to 5; no two of a rule have the same */
	uint32_t compare;
	uint64_t value;
	uint64_t other;
};

enum { SECCOMP_ARGUMENTS = 6, SECCOMP_RULES_MAX = 4096, SECCOMP_NAME_MAX = 32 };

/* All conditions must be fulfilled. Without gaps, so that filters can be told apart by the bytes of their rules. */
struct seccomp_rule {
	int32_t number;  /* of the system call on this processor */
	uint32_t action; /* viso_syscall_action */
	uint32_t error;
	uint32_t condition_count;
	struct seccomp_condition conditions[SECCOMP_ARGUMENTS];
};

struct seccomp_rules {
	struct seccomp_rule *items;
	size_t count;
	size_t capacity;
};

/* Takes the place of the profile where a profile was loaded. */
enum { SECCOMP_LOADED = VISO_SECCOMP_NONE + 1 };

/* What a filter is made from. */
struct seccomp_wish {
	viso_isolation isolation;
	viso_network network;
	uint64_t capabilities; /* that the program may have */
	uint32_t profile;      /* viso_seccomp_profile, or SECCOMP_LOADED */
	uint32_t flags;        /* of seccomp(2) */
	/* SECCOMP_LOADED: its rules, and what applies to all other calls. */
	const struct seccomp_rules *loaded;
	uint32_t action;
	uint32_t error;
	const struct seccomp_rules *rules; /* the caller's, which go before; or NULL */
};

/*
 * Adds the filter to the request. The default profile refuses with EPERM what is dangerous or reaches beyond the
 * sandbox, with ENOSYS what can be replaced or is newer than the profile, so that programs fall back. A capability
 * lifts the refusal of the calls that need it. 0 or a negative errno with the error set.
 */
int seccomp_add(struct launch_request *request, const struct seccomp_wish *wish);

/* Adds a copy of a rule. 0, or a negative errno with the error set: -ENOMEM, -E2BIG. */
int seccomp_rules_add(struct seccomp_rules *rules, const struct seccomp_rule *rule);
void seccomp_rules_release(struct seccomp_rules *rules);

/* Whether one of them asks the host. */
bool seccomp_rules_notify(const struct seccomp_rules *rules);

/* The number of a system call on this processor; -ENXIO it is another processor's; -ENOENT there is none. */
int seccomp_number(const char *name);

/* The name of a system call, at most SECCOMP_NAME_MAX bytes with its NUL; false where it has none. */
bool seccomp_name(int number, char *name);

/* Whether the library was built with it. */
bool seccomp_is_built(void);

#endif
