/* SPDX-License-Identifier: MIT */
/* What the host sees of a process in /proc. */
#ifndef TEST_OUTSIDE_H
#define TEST_OUTSIDE_H

#include <stddef.h>

/* A file of /proc/PID as a string; "" where it cannot be read. */
const char *outside_read(int pid, const char *file, char *text, size_t size);
/* The value of a line of /proc/PID/status, without the white space around it. */
const char *outside_status(int pid, const char *key, char *text, size_t size);
/* Where a link of /proc/PID leads. */
const char *outside_link(int pid, const char *name, char *text, size_t size);
/* A field of /proc/PID/stat by its number in proc_pid_stat(5); above 2. */
long outside_stat(int pid, int field);

#endif
