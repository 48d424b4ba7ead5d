/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: what is mounted besides the root, and what takes the writes to it. */
#ifndef CONTAINER_FILESYSTEM_H
#define CONTAINER_FILESYSTEM_H

#include <virtiso/container.h>

#include "core/strings.h"
#include "launch/request.h"

struct container_mount {
	enum plan_mount_kind kind;
	unsigned flags;
	unsigned mode;
	int fd; /* of a bind; else -1 */
	char *path;
	void *data; /* of a file; the type of a file system */
	uint64_t size;
};

struct container_filesystem {
	struct container_mount *mounts;
	size_t count;
	size_t bind_count;
	uint64_t file_bytes; /* of all files */
	struct strings read_only;
	struct strings masked;
	viso_root *layers[PLAN_LAYERS_MAX];
	size_t layer_count;
	bool writable; /* the root itself */
	enum plan_upper upper;
	int upper_fd; /* of PLAN_UPPER_DIRECTORY */
	uint64_t upper_size;
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int filesystem_add(struct launch_request *request, const viso_container *container);

void filesystem_release(struct container_filesystem *filesystem);

#endif
