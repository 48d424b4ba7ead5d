/* SPDX-License-Identifier: MIT */
/* The users and groups of a root. Their files are kept as the texts that they become: passwd(5), group(5). */
#ifndef ROOT_ACCOUNTS_H
#define ROOT_ACCOUNTS_H

#include "root/manifest.h"

/* NULL where nothing was added to what every root has. */
struct accounts {
	char *passwd;
	char *group;
};

/* Adds /etc/passwd and /etc/group where they are not there already. 0, or a negative errno with the error set. */
int accounts_add_files(struct manifest *manifest);

void accounts_clear(struct accounts *accounts);

#endif
