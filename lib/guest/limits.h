/* SPDX-License-Identifier: MIT */
/* What bounds a guest beside its memory and time. */
#ifndef GUEST_LIMITS_H
#define GUEST_LIMITS_H

#include <virtiso/guest_limits.h>

/* 0 stands for the default. */
struct guest_limits {
	uint64_t processes_max;
	uint64_t files_max;
	uint64_t written_max;
	uint64_t syscalls_max; /* 0: no limit */
};

/* How many processes and threads may be there at once. */
uint64_t guest_processes_max(const struct viso_guest *guest);

#endif
