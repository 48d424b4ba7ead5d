/* SPDX-License-Identifier: MIT */
/* Certificates of authorities, for programs that speak TLS. */
#ifndef ROOT_CERTIFICATES_H
#define ROOT_CERTIFICATES_H

#include "root/closure/closure.h"

/* A provider_fn. */
int certificates_add(struct closure *closure, const char *host);

#endif
