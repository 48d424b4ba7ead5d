/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: namespaces, ids, names and kernel parameters. */
#ifndef CONTAINER_NAMESPACES_H
#define CONTAINER_NAMESPACES_H

#include <stdbool.h>
#include <virtiso/container.h>

#include "core/strings.h"
#include "launch/request.h"

enum namespace_mode { NAMESPACE_OWN = 0, NAMESPACE_SHARED, NAMESPACE_JOINED };

struct id_map {
	uint32_t count;
	struct plan_id_range ranges[PLAN_ID_RANGES_MAX];
};

struct container_namespaces {
	char *hostname; /* NULL for the default */
	char *domainname;
	struct {
		enum namespace_mode mode;
		int fd; /* where it is joined: owned */
	} kinds[PLAN_NAMESPACES];
	struct id_map uids;
	struct id_map gids;
	bool has_offset[2]; /* monotonic, boot time */
	int64_t offset_ns[2];
	struct strings sysctls; /* path beneath /proc/sys and value, by turns */
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int namespaces_add(struct launch_request *request, const viso_container *container);

void namespaces_release(struct container_namespaces *namespaces);

#endif
