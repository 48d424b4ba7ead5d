/* SPDX-License-Identifier: MIT */
/* Numbers and strings of the protocol, within bounds. */
#ifndef GUEST_AGENT_BYTES_H
#define GUEST_AGENT_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Writes as far as there is room, and counts on: with no room at all it measures. */
struct packer {
	uint8_t *data;
	size_t room;
	size_t used;
};

/* Once it has asked for more than there is, all that it gives is 0. */
struct unpacker {
	const uint8_t *data;
	size_t left;
	bool is_bad;
};

static inline void pack_bytes(struct packer *packer, const void *bytes, size_t size)
{
	if (size && packer->used <= packer->room && size <= packer->room - packer->used)
		memcpy(packer->data + packer->used, bytes, size);
	packer->used += size;
}

static inline void pack_number(struct packer *packer, uint64_t value, size_t size)
{
	uint8_t bytes[8];
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	pack_bytes(packer, bytes, size);
}

static inline void pack_u8(struct packer *packer, uint8_t value)
{
	pack_number(packer, value, 1);
}

static inline void pack_u16(struct packer *packer, uint16_t value)
{
	pack_number(packer, value, 2);
}

static inline void pack_u32(struct packer *packer, uint32_t value)
{
	pack_number(packer, value, 4);
}

static inline void pack_u64(struct packer *packer, uint64_t value)
{
	pack_number(packer, value, 8);
}

static inline void pack_string(struct packer *packer, const char *string)
{
	size_t size = strlen(string) + 1;
	pack_u32(packer, (uint32_t)size);
	pack_bytes(packer, string, size);
}

static inline const uint8_t *unpack_bytes(struct unpacker *unpacker, size_t size)
{
	if (unpacker->is_bad || size > unpacker->left) {
		unpacker->is_bad = true;
		return NULL;
	}
	const uint8_t *bytes = unpacker->data;
	unpacker->data += size;
	unpacker->left -= size;
	return bytes;
}

static inline uint64_t unpack_number(struct unpacker *unpacker, size_t size)
{
	const uint8_t *bytes = unpack_bytes(unpacker, size);
	uint64_t value = 0;
	for (size_t i = 0; bytes && i < size; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

static inline uint8_t unpack_u8(struct unpacker *unpacker)
{
	return (uint8_t)unpack_number(unpacker, 1);
}

static inline uint16_t unpack_u16(struct unpacker *unpacker)
{
	return (uint16_t)unpack_number(unpacker, 2);
}

static inline uint32_t unpack_u32(struct unpacker *unpacker)
{
	return (uint32_t)unpack_number(unpacker, 4);
}

static inline uint64_t unpack_u64(struct unpacker *unpacker)
{
	return unpack_number(unpacker, 8);
}

/* Where it lies; NULL, and bad, where it is not a string. */
static inline const char *unpack_string(struct unpacker *unpacker)
{
	size_t size = unpack_u32(unpacker);
	const uint8_t *bytes = unpack_bytes(unpacker, size);
	if (!bytes || !size || memchr(bytes, 0, size) != bytes + size - 1) {
		unpacker->is_bad = true;
		return NULL;
	}
	return (const char *)bytes;
}

/* Whether all was there and nothing is left. */
static inline bool unpack_is_done(const struct unpacker *unpacker)
{
	return !unpacker->is_bad && !unpacker->left;
}

#endif
