/* SPDX-License-Identifier: MIT */
/* Which file of the host has which contents: a file of lines, to which each builder appends. */
#ifndef ROOT_STORE_INDEX_H
#define ROOT_STORE_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "root/record/sum.h"

struct store_line {
	unsigned char identity[IDENTITY_SIZE];
	char sum[SUM_TEXT];
};

struct store_index {
	int fd;
	struct store_line *lines; /* open addressing by the identity; without sum: free */
	size_t slots, count;
	char *news; /* lines to append */
	size_t news_size;
};

/* 0 or a negative errno, without setting the error. */
int store_index_open(struct store_index *index, int store);
/* Appends what is new. */
void store_index_close(struct store_index *index);

bool store_index_find(const struct store_index *index, const struct stat *st, char sum[SUM_TEXT]);
/* Without memory it is not remembered. */
void store_index_note(struct store_index *index, const struct stat *st, const char *sum);

void store_index_remove(int store);

#endif
