/* SPDX-License-Identifier: MIT */
/* A first file system in memory for Linux: busybox, and a script that is process 1. */
#ifndef TEST_KERNEL_INITRAMFS_H
#define TEST_KERNEL_INITRAMFS_H

/* Writes it to a file. The script runs with /proc, /sys and /dev mounted and busybox's commands in /bin. */
void initramfs_write(const char *path, const char *script);

/*
 * Adds a file to one that was written. /modules/NAME.ko of it is what the script can load where it was found by
 * initramfs_add_module() below the directory of a kernel's package.
 */
void initramfs_add(const char *path, const char *name, const char *host_path);
void initramfs_add_module(const char *path, const char *kernel, const char *module);

#endif
