/* SPDX-License-Identifier: MIT */
/* The characters of a PC's text mode: code page 437. */
#ifndef GUEST_DEVICE_PC_CODE_PAGE_H
#define GUEST_DEVICE_PC_CODE_PAGE_H

#include <stdint.h>

/* Writes one as UTF-8, without an end: 1 to 3 bytes. */
unsigned code_page_put(uint8_t code, char *at);

#endif
