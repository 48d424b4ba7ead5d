/* SPDX-License-Identifier: MIT */
/* Settings, providers and engines of OpenSSL, see config(5ssl). */
#ifndef ROOT_OPENSSL_H
#define ROOT_OPENSSL_H

#include "root/closure/closure.h"

/* A provider_fn. */
int openssl_add(struct closure *closure, const char *host);

#endif
