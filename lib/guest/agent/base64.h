/* SPDX-License-Identifier: MIT */
/* Bytes as text (RFC 4648, section 4). */
#ifndef GUEST_AGENT_BASE64_H
#define GUEST_AGENT_BASE64_H

#include <stddef.h>

/* To be freed; NULL without memory. */
char *base64_encode(const void *data, size_t size);

/* Bytes, followed by a NUL that is not counted; to be freed. 0, -ENOMEM, or -EINVAL where it is not such a text. */
int base64_decode(const char *text, char **out_data, size_t *out_size);

#endif
