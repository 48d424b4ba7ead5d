/* SPDX-License-Identifier: MIT */
/* What lies around the host program and may be the reason for a refusal. They read files of /proc and /sys only. */
#ifndef LAUNCH_EXPLAIN_SURROUNDINGS_H
#define LAUNCH_EXPLAIN_SURROUNDINGS_H

#include <stdbool.h>
#include <stddef.h>

enum { ADVICE_MAX = 768 };

/* The number in a file of /proc/sys by its path beneath it; -1 where it cannot be read. */
long surroundings_sysctl(const char *path);

/* A value of /proc/self/status; "" where there is none. */
void surroundings_status(const char *key, char *value, size_t size);

bool surroundings_has_seccomp(void);
bool surroundings_has_no_new_privs(void);
/* By number; true where it cannot be told. */
bool surroundings_has_capability(int capability);

/*
 * "a security module, AppArmor or SELinux, confines this process (its label is ...)"; "" where none does. The label is
 * that of /proc/self/attr/current.
 */
void surroundings_security_module(char *text, size_t size);

/* The mount points below /proc that a mount namespace of the caller has, such as "/proc/sys, /proc/kcore"; "" for none.
 */
void surroundings_masks_of_proc(char *text, size_t size);

/* Why an operation that usually works is refused: a seccomp filter, or a security module. False for neither. */
bool surroundings_explain_refusal(char *text, size_t size, const char *operation);

#endif
