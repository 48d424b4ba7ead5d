/* SPDX-License-Identifier: MIT */
/* The stack of PAM for a program, see pam.d(5). */
#ifndef ROOT_PAM_H
#define ROOT_PAM_H

#include "root/closure/closure.h"

/* A provider_fn. */
int pam_add(struct closure *closure, const char *host);

#endif
