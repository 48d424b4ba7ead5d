/* SPDX-License-Identifier: MIT */
/* Lines of mountinfo (proc_pid_mountinfo(5)). */
#ifndef MACHINE_LAYERS_MOUNTS_H
#define MACHINE_LAYERS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

struct mount_line {
	unsigned long id;
	const char *root; /* of the file system, as it is mounted */
	size_t root_length;
	const char *point; /* where */
	size_t point_length;
	const char *rest; /* options, type, source */
	size_t rest_length;
};

/* Takes the next line; false at the end. A line that is none has the id 0. */
bool mount_line_next(const char **text, struct mount_line *out_line);

#endif
