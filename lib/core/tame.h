/* SPDX-License-Identifier: MIT */
/* Texts of strangers that get into errors and results, and from there to somebody's terminal: nothing steers it. */
#ifndef CORE_TAME_H
#define CORE_TAME_H

static inline void tame(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

#endif
