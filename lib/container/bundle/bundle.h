/* SPDX-License-Identifier: MIT */
/*
 * An OCI bundle: a directory with config.json and a root. Each part of the file becomes calls of the library's setters;
 * what none of them can do is an error.
 */
#ifndef CONTAINER_BUNDLE_BUNDLE_H
#define CONTAINER_BUNDLE_BUNDLE_H

#include <virtiso.h>

#include "container/bundle/item.h"

struct bundle {
	const char *directory; /* absolute */
	viso_container *container;
	viso_command *command;      /* NULL until "process" is read */
	unsigned namespaces;        /* by bit of viso_namespace: those that the file names */
	unsigned joined;            /* of these, those that have a path */
};

/*
 * Makes what the text says, which has a NUL behind it. 0, or a negative errno with the error set; in any case the
 * bundle is to be released.
 */
int bundle_parse(struct bundle *bundle, const char *text, size_t size);
void bundle_release(struct bundle *bundle);

/* The parts of the file, by the path of each. */
item_reader bundle_read_process;
item_reader bundle_read_capabilities;
item_reader bundle_read_root;
item_reader bundle_read_mount;
item_reader bundle_read_hooks;
item_reader bundle_read_linux;
item_reader bundle_read_namespaces;
item_reader bundle_read_user_ids;
item_reader bundle_read_group_ids;
item_reader bundle_read_time_offsets;
item_reader bundle_read_sysctl;
item_reader bundle_read_devices;
item_reader bundle_read_resources;
item_reader bundle_read_block_io;
item_reader bundle_read_device_rules;
item_reader bundle_read_seccomp;

#endif
