/* SPDX-License-Identifier: MIT */
/* Whose ids can be used; asked by the library and by the launcher. */
#ifndef LAUNCH_OWNS_IDS_H
#define LAUNCH_OWNS_IDS_H

#include <stdbool.h>

/*
 * True where all ids of the host can be used: as root, but not as the root of a user namespace that has only some.
 * Everybody else is an ordinary user here. errno is changed.
 */
bool owns_all_ids(void);

#endif
