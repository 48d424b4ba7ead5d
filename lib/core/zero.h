/* SPDX-License-Identifier: MIT */
/* Whether anything is set in a structure. */
#ifndef CORE_ZERO_H
#define CORE_ZERO_H

#include <stdbool.h>
#include <stddef.h>

static inline bool is_zero(const void *part, size_t size)
{
	const char *byte = part;
	for (size_t i = 0; i < size; i++)
		if (byte[i])
			return false;
	return true;
}

#endif
