/* SPDX-License-Identifier: MIT */
#include "guest/agent/base64.h"

#include <errno.h>
#include <nettle/base64.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

char *base64_encode(const void *data, size_t size)
{
	char *text = malloc(BASE64_ENCODE_RAW_LENGTH(size) + 1);
	if (!text)
		return NULL;
	base64_encode_raw(text, size, data);
	text[BASE64_ENCODE_RAW_LENGTH(size)] = '\0';
	return text;
}

int base64_decode(const char *text, char **out_data, size_t *out_size)
{
	struct base64_decode_ctx context;
	size_t length = strlen(text), size = BASE64_DECODE_LENGTH(length);
	char *data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	base64_decode_init(&context);
	if (!base64_decode_update(&context, &size, (uint8_t *)data, length, text) || !base64_decode_final(&context)) {
		free(data);
		return -EINVAL;
	}
	data[size] = '\0';
	*out_data = data;
	*out_size = size;
	return 0;
}
