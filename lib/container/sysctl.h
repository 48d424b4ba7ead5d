/* SPDX-License-Identifier: MIT */
/* Which kernel parameters belong to a container's own namespaces. */
#ifndef CONTAINER_SYSCTL_H
#define CONTAINER_SYSCTL_H

#include <stddef.h>
#include <virtiso/container_namespaces.h>

/*
 * The kind of the namespace that has the parameter `name`, and its path beneath /proc/sys, of `size` bytes at most.
 * -EINVAL where it is no name, -EPERM where it is a parameter of the host.
 */
int sysctl_find(const char *name, char *out_path, size_t size);

#endif
