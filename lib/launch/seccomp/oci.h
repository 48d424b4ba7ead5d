/* SPDX-License-Identifier: MIT */
/* Seccomp profiles in JSON, as the OCI Runtime Specification has them (config-linux.md, "Seccomp") and Docker and
 * Podman extend them. */
#ifndef LAUNCH_SECCOMP_OCI_H
#define LAUNCH_SECCOMP_OCI_H

#include <stddef.h>
#include <stdint.h>

#include "launch/seccomp/seccomp.h"

/* A rule that holds for containers with all of `included` and none of `excluded` only. */
struct oci_rule {
	struct seccomp_rule rule;
	uint64_t included;
	uint64_t excluded;
};

struct oci_profile {
	uint32_t action; /* viso_syscall_action, for calls without a rule */
	uint32_t error;
	uint32_t flags; /* of seccomp(2) */
	struct oci_rule *items;
	size_t count;
	size_t capacity;
};

/*
 * Reads a profile; `name` is for errors. 0, or a negative errno with the error set and nothing to be released: -EINVAL
 * it is no profile, -EOPNOTSUPP it asks for what cannot be had, -ENOMEM, -E2BIG.
 */
int oci_profile_parse(const char *text, size_t size, const char *name, struct oci_profile *out_profile);
void oci_profile_release(struct oci_profile *profile);

/* The rules that hold with these capabilities. 0, or a negative errno with the error set; to be released in any case.
 */
int oci_profile_rules(const struct oci_profile *profile, uint64_t capabilities, struct seccomp_rules *rules);

#endif
