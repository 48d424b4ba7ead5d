/* SPDX-License-Identifier: MIT */
/* Name services: users, hosts, services and so on, see nsswitch.conf(5). */
#ifndef ROOT_NSS_H
#define ROOT_NSS_H

#include "root/closure/closure.h"

/* A provider_fn. */
int nss_add(struct closure *closure, const char *host);

#endif
