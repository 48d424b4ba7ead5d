/* SPDX-License-Identifier: MIT */
/* How the first file system tells the agent where the root is. Host and agent are both built from this file. */
#ifndef GUEST_AGENT_ROOT_MEDIUM_H
#define GUEST_AGENT_ROOT_MEDIUM_H

/* Has one of the two words; is not there where the first file system is the root itself. */
#define ROOT_MEDIUM_FILE "/viso/medium"
#define ROOT_MEDIUM_DISK "erofs"
#define ROOT_MEDIUM_SHARE "virtiofs"

/* The serial number of the disk, and the tag of the directory. */
#define ROOT_DISK_ID "virtiso-root"
#define ROOT_SHARE_TAG "virtiso-root"

/* Is there where qemu-ga of the root is to serve: by which method of its, at the port of that name or the second serial
 * one. */
#define ROOT_STOCK_FILE "/viso/qemu-ga"
#define ROOT_STOCK_VIRTIO "virtio-serial"
#define ROOT_STOCK_SERIAL "isa-serial"
#define ROOT_STOCK_PORT "org.qemu.guest_agent.0"

#endif
