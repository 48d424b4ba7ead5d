/* SPDX-License-Identifier: MIT */
/* A root as a disk of a kernel guest, for what is too large for its memory. */
#ifndef GUEST_AGENT_ROOT_DISK_H
#define GUEST_AGENT_ROOT_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <virtiso/root.h>

/* How many bytes the files of the root have; it is built first. 0 or a negative errno with the error set. */
int root_size(viso_root *root, uint64_t *out_size);

/* Whether the host has what makes such disks, and beside the kernel at `kernel` what mounts them. */
bool root_disk_is_possible(const char *kernel);

/* Packs the root as EROFS into a file without a name. A fd, or a negative errno with the error set. */
int root_disk_make(viso_root *root);

#endif
