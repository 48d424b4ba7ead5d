/* SPDX-License-Identifier: MIT */
/* A first file system in memory for Linux: busybox, and a script that is process 1. */
#ifndef TEST_KERNEL_INITRAMFS_H
#define TEST_KERNEL_INITRAMFS_H

/* Writes it to a file. The script runs with /proc, /sys and /dev mounted and busybox's commands in /bin. */
void initramfs_write(const char *path, const char *script);

#endif
