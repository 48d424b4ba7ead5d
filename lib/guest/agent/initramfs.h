/* SPDX-License-Identifier: MIT */
/* A root as the first file system of a kernel guest, with viso-agent as its init. */
#ifndef GUEST_AGENT_INITRAMFS_H
#define GUEST_AGENT_INITRAMFS_H

#include <virtiso/guest_agent.h>
#include <virtiso/root.h>

/* The path of viso-agent in it, for "rdinit=". */
#define INITRAMFS_INIT "/viso/agent"

struct initramfs_setting {
	viso_root *root;
	viso_root_medium medium; /* where it is; not VISO_ROOT_MEDIUM_AUTO */
	const char *kernel;      /* beside which the modules are */
	const char *stock_agent; /* how qemu-ga of the root serves (root_medium.h); NULL where viso-agent does */
};

/*
 * Packs the agent and the modules that it needs of the kernel into a memory file, and the root where it is
 * not elsewhere by its medium. A fd, or a negative errno with the error set.
 */
int initramfs_make(const struct initramfs_setting *setting);

#endif
