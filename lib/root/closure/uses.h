/* SPDX-License-Identifier: MIT */
/*
 * Which parts of the C library an object uses, by the names in its table of strings: a symbol that it imports has its
 * name there. A name can stand there for another reason, which costs some files too many and never one too few. What a
 * static program uses cannot be seen.
 */
#ifndef ROOT_USES_H
#define ROOT_USES_H

#include "root/closure/closure.h"

enum uses {
	USES_NSS = 1 << 0,      /* users, groups, hosts, services: getpwnam(3), getaddrinfo(3) and so on */
	USES_ICONV = 1 << 1,    /* iconv_open(3) */
	USES_LOCALE = 1 << 2,   /* setlocale(3), newlocale(3) */
	USES_TIMEZONE = 1 << 3, /* localtime(3), mktime(3) and so on */
	USES_UNWINDER = 1 << 4, /* pthread_exit(3), pthread_cancel(3), backtrace(3) */
};

/* What the objects of a closure use, without the C library itself and its name services. */
unsigned closure_uses(const struct closure *closure);

#endif
