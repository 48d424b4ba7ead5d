/* SPDX-License-Identifier: MIT */
/* A provider in front of another one, that refuses one source and keeps a list of all that were asked for. */
#ifndef TEST_REFUSING_H
#define TEST_REFUSING_H

#include "machine/provider.h"

enum { SOURCES_MAX = 4096, SOURCE_SIZE = 128 };

struct refusing {
	struct provider inner;
	const char *refused; /* a path, cpuid, msr, uname, ns/NAME or root; NULL for none */
	int error;           /* negative */
	char (*sources)[SOURCE_SIZE];
	int count;
};

/* `refusing` must live as long as the provider. */
void refusing_init(struct refusing *refusing, struct provider *out_provider);
void refusing_release(struct refusing *refusing);

#endif
