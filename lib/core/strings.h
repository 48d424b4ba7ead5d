/* SPDX-License-Identifier: MIT */
/* A growing, NULL-terminated list of strings that it owns. */
#ifndef CORE_STRINGS_H
#define CORE_STRINGS_H

#include <stddef.h>

struct strings {
	char **items; /* NULL-terminated once something was added; else NULL */
	size_t count;
	size_t capacity;
	size_t bytes; /* of all strings with their NULs */
};

/* Takes the string over, also on failure. 0 or -ENOMEM, without setting the error. */
int strings_take(struct strings *list, char *string);

/* Adds a copy. 0 or -ENOMEM, without setting the error. */
int strings_add(struct strings *list, const char *string);

void strings_remove(struct strings *list, size_t index);

void strings_clear(struct strings *list);

#endif
