/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: capabilities, system calls, Landlock. */
#ifndef CONTAINER_SECURITY_H
#define CONTAINER_SECURITY_H

#include <stdbool.h>
#include <stdint.h>
#include <virtiso/container.h>

#include "launch/request.h"
#include "launch/seccomp/oci.h"

struct landlock_setting {
	char *path;
	unsigned access; /* of viso_landlock_access */
};

struct container_security {
	struct plan_capabilities capabilities;
	bool has_securebits;
	unsigned securebits;
	bool new_privileges;
	uint32_t profile;           /* viso_seccomp_profile, or SECCOMP_LOADED */
	struct oci_profile loaded;  /* where it is SECCOMP_LOADED */
	struct seccomp_rules rules; /* the caller's */
	struct landlock_setting *paths;
	size_t path_count;
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int security_add(struct launch_request *request, const viso_container *container);

void security_release(struct container_security *security);

/* seccomp.c, landlock.c: their part of it. */
int security_add_seccomp(struct launch_request *request, const viso_container *container);
int security_add_landlock(struct launch_request *request, const viso_container *container);

/* Makes a profile the container's that was read from somewhere, such as an OCI bundle; takes it over. */
void security_take_profile(viso_container *container, struct oci_profile *profile);

#endif
