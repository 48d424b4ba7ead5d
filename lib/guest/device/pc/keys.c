/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/keys.h"

#include <string.h>

enum { SHIFT = 0x2a, LET_GO = 0x80 };

/* By scan code of set 1; blanks where a key gives nothing that prints. */
static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0\0\0 ";
static const char shifted[] = "\0\0!@#$%^&*()_+\0\0QWERTYUIOP{}\0\0ASDFGHJKL:\"~\0|ZXCVBNM<>?";

static uint8_t find(const char *table, size_t size, char character)
{
	const char *found = character ? memchr(table, character, size) : NULL;
	return found ? (uint8_t)(found - table) : 0;
}

unsigned keys_for(char character, uint8_t codes[KEYS_MAX])
{
	uint8_t code = find(plain, sizeof(plain), character);
	if (code) {
		codes[0] = code;
		codes[1] = code | LET_GO;
		return 2;
	}
	code = find(shifted, sizeof(shifted), character);
	if (!code)
		return 0;
	codes[0] = SHIFT;
	codes[1] = code;
	codes[2] = code | LET_GO;
	codes[3] = SHIFT | LET_GO;
	return 4;
}

uint8_t keys_in_set_2(uint8_t code)
{
	static const uint8_t set_2[] = {
		0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66,
		0x0d, 0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14,
		0x1c, 0x1b, 0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a,
		0x22, 0x21, 0x2a, 0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29,
	};
	return code < sizeof(set_2) ? set_2[code] : 0;
}
