/* SPDX-License-Identifier: MIT */
/* The part of a plan that is about a container's file systems: lib/container/filesystem_plan.c writes it,
 * program/mount/ does it. */
#ifndef LAUNCH_PLAN_MOUNTS_H
#define LAUNCH_PLAN_MOUNTS_H

#include "launch/plan/types.h"

enum { PLAN_LAYERS_MAX = 32, PLAN_MOUNTS_MAX = 256 };

enum plan_mount_kind {
	PLAN_MOUNT_BIND,       /* of `fd` */
	PLAN_MOUNT_TMPFS,      /* with `size` and `mode` */
	PLAN_MOUNT_FILE,       /* `size` bytes at `data`, with `mode` */
	PLAN_MOUNT_FILESYSTEM, /* of the type at `data` */
};

struct plan_mount {
	uint32_t kind;
	uint32_t flags; /* viso_mount */
	uint32_t fd;    /* index among the fds of the message */
	uint32_t mode;
	plan_offset target; /* absolute, without "." and ".." */
	plan_offset data;
	uint64_t size;
};

/* What takes the writes to the root. */
enum plan_upper {
	PLAN_UPPER_NONE,      /* nothing: it is read-only */
	PLAN_UPPER_ROOT,      /* its directory itself */
	PLAN_UPPER_DISCARDED, /* a tmpfs of upper_size */
	PLAN_UPPER_DIRECTORY, /* "upper" and "work" in upper_fd */
};

struct plan_mounts {
	uint32_t count; /* of struct plan_mount at `first`, in the order of mounting */
	plan_offset first;
	struct plan_strings read_only; /* targets */
	struct plan_strings masked;
	uint32_t layer_count; /* whose fds follow one another, the lowest first */
	uint32_t first_layer;
	uint32_t upper;
	uint32_t upper_fd;
	uint64_t upper_size; /* 0 for the default of /tmp */
};

#endif
