/* SPDX-License-Identifier: MIT */
/* File systems that show the kernel and its processes: none of them is for a guest. */
#ifndef CORE_PSEUDO_FILES_H
#define CORE_PSEUDO_FILES_H

#include <stdbool.h>

/* Whether the fd, which may be of O_PATH, is of proc, sysfs, cgroups and the like; also where it cannot be found out.
 */
bool is_of_pseudo_files(int fd);

#endif
