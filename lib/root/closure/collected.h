/* SPDX-License-Identifier: MIT */
/* What the closures of all programs of one root have found, for what is said of the root as a whole. */
#ifndef ROOT_COLLECTED_H
#define ROOT_COLLECTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A library that a glibc loader shall find. */
struct library {
	char *name;     /* by which it is asked for */
	char *path;     /* at which the loader would find it */
	uint32_t flags; /* those of its entry in ld.so.cache */
	bool big_endian;
	bool is_private; /* found only by a path in who needs it */
};

struct collected {
	struct library *items;
	size_t count;
	size_t capacity;
	char *first_program; /* the first dynamic one, a path in the source without links; NULL before */
	size_t mark;         /* how many there were at the last mark */
	bool had_program;
};

/* 0 or -ENOMEM with the error set. */
int collected_add(struct collected *collected, const struct library *library);
int collected_set_program(struct collected *collected, const char *path);

/* Everything since the last mark can be taken back. */
void collected_mark(struct collected *collected);
void collected_rollback(struct collected *collected);

void collected_clear(struct collected *collected);

#endif
