/* SPDX-License-Identifier: MIT */
/* A root as the first file system of a kernel guest, with viso-agent as its init. */
#ifndef GUEST_AGENT_INITRAMFS_H
#define GUEST_AGENT_INITRAMFS_H

#include <virtiso/root.h>

/* The path of viso-agent in it, for "rdinit=". */
#define INITRAMFS_INIT "/viso/agent"

/*
 * Packs the root, the agent and the modules that it needs of the kernel at `kernel` into a memory file. A fd, or a
 * negative errno with the error set.
 */
int initramfs_make(viso_root *root, const char *kernel);

#endif
