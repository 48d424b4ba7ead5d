/* SPDX-License-Identifier: MIT */
/* Makes captured directories of machines.txt, which tells how it is written. */
#ifndef TEST_MACHINES_H
#define TEST_MACHINES_H

#include <stdbool.h>
#include <stdio.h>

enum { WORDS_MAX = 12, WORD_SIZE = 64 };

struct words {
	char items[WORDS_MAX][WORD_SIZE];
	int count;
};

struct machine {
	char title[128];
	char directory[256];
	struct words expect, refute, only;
	char named[WORD_SIZE], name[128];
};

FILE *machines_open(void);

/* The next one, with its directory in `parent`; false at the end. Whatever cannot be made fails the test. */
bool machines_next(FILE *file, const char *parent, struct machine *out_machine);

#endif
