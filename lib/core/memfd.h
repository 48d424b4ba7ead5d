/* SPDX-License-Identifier: MIT */
/* An anonymous file with given contents. */
#ifndef CORE_MEMFD_H
#define CORE_MEMFD_H

#include <stddef.h>

/* Its fd, at the beginning and close-on-exec, with MFD_ALLOW_SEALING and `flags`; or a negative errno. */
int memfd_with(const char *name, unsigned flags, const void *data, size_t size);

/* Forbids every change of it. 0 or a negative errno. */
int memfd_seal(int fd);

#endif
