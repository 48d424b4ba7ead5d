/* SPDX-License-Identifier: MIT */
/* The inside of a viso_jail. */
#ifndef JAIL_JAIL_H
#define JAIL_JAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <virtiso/jail.h>

#include "launch/launched_instance.h"
#include "sandbox/sandbox.h"

struct viso_jail {
	viso_sandbox sandbox; /* first, so that the one is the other */
	bool bare;            /* the hardening is switched off */
	viso_hardening demanded;
	atomic_bool had_user;              /* a command ran as a user of the caller's choice */
	atomic_bool had_unix_socket;       /* a command was given one of the host's */
	struct launched_instance instance; /* guarded by the sandbox's lock until there is one; then it stays */
};

/* 0 where the jail reaches what was demanded of it; else -EOPNOTSUPP with the error set and what would be needed. */
int hardening_check(const viso_jail *jail);

#endif
