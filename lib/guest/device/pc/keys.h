/* SPDX-License-Identifier: MIT */
/* Which keys are pressed for a text, on a keyboard as it is sold in the United States. */
#ifndef GUEST_DEVICE_PC_KEYS_H
#define GUEST_DEVICE_PC_KEYS_H

#include <stdbool.h>
#include <stdint.h>

enum { KEYS_MAX = 4 }; /* codes that one character takes */

/*
 * Scan codes of set 1 that press and let go what gives a character of ASCII: those that print, and backspace, tab,
 * newline (the Enter key) and escape. How many; 0 where no key gives it.
 */
unsigned keys_for(char character, uint8_t codes[KEYS_MAX]);

/* The same key in set 2, without its prefix 0xf0 for letting go. 0: none. */
uint8_t keys_in_set_2(uint8_t code);

#endif
