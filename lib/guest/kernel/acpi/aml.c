/* SPDX-License-Identifier: MIT */
#include "guest/kernel/acpi/aml.h"

#include <string.h>

/* ACPI 6.5, 20.3. */
enum {
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_STRING = 0x0d,
	OP_QWORD = 0x0e,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_METHOD = 0x14,
	OP_EXTENDED = 0x5b,
	OP_DEVICE = 0x82, /* after OP_EXTENDED */
	OP_NOTIFY = 0x86,
};

/* ACPI 6.5, 6.4. */
enum {
	RESOURCE_PORTS = 0x47,
	RESOURCE_END = 0x79,
	RESOURCE_MEMORY = 0x86,
	RESOURCE_RANGE_32 = 0x87,
	RESOURCE_RANGE_16 = 0x88,
	RESOURCE_INTERRUPT = 0x89,
};

enum { LENGTH_BYTES = 3, NAME_LENGTH = 4, METHOD_SERIALIZED = 8 };

void aml_bytes(struct aml *aml, const void *data, size_t size)
{
	if (size > aml->max - aml->size) {
		aml->is_full = true;
		return;
	}
	memcpy(aml->data + aml->size, data, size);
	aml->size += size;
}

static void put(struct aml *aml, uint64_t value, size_t size)
{
	aml_bytes(aml, &value, size);
}

/* The length of what follows is not known yet: three bytes do for all. */
static size_t begin_length(struct aml *aml)
{
	size_t begin = aml->size;
	put(aml, 0, LENGTH_BYTES);
	return begin;
}

/* The lowest four bits go into the first byte (ACPI 6.5, 20.2.4). */
void aml_end(struct aml *aml, size_t begin)
{
	size_t length = aml->size - begin;
	if (aml->is_full)
		return;
	aml->data[begin] = (uint8_t)((LENGTH_BYTES - 1) << 6 | (length & 0xf));
	aml->data[begin + 1] = (uint8_t)(length >> 4);
	aml->data[begin + 2] = (uint8_t)(length >> 12);
}

void aml_name(struct aml *aml, const char *name)
{
	if (*name == '\\')
		put(aml, (uint8_t)*name++, 1);
	aml_bytes(aml, name, NAME_LENGTH);
}

size_t aml_scope(struct aml *aml, const char *name)
{
	put(aml, OP_SCOPE, 1);
	size_t begin = begin_length(aml);
	aml_name(aml, name);
	return begin;
}

size_t aml_device(struct aml *aml, const char *name)
{
	put(aml, OP_EXTENDED | OP_DEVICE << 8, 2);
	size_t begin = begin_length(aml);
	aml_name(aml, name);
	return begin;
}

size_t aml_method(struct aml *aml, const char *name, unsigned arguments)
{
	put(aml, OP_METHOD, 1);
	size_t begin = begin_length(aml);
	aml_name(aml, name);
	put(aml, arguments | METHOD_SERIALIZED, 1);
	return begin;
}

size_t aml_package(struct aml *aml, unsigned elements)
{
	put(aml, OP_PACKAGE, 1);
	size_t begin = begin_length(aml);
	put(aml, elements, 1);
	return begin;
}

void aml_integer(struct aml *aml, uint64_t value)
{
	const unsigned size = value < 1u << 8 ? 1 : value < 1u << 16 ? 2 : value < 1ull << 32 ? 4 : 8;
	const unsigned op = size == 1 ? OP_BYTE : size == 2 ? OP_WORD : size == 4 ? OP_DWORD : OP_QWORD;
	put(aml, op, 1);
	put(aml, value, size);
}

void aml_string(struct aml *aml, const char *text)
{
	put(aml, OP_STRING, 1);
	aml_bytes(aml, text, strlen(text) + 1);
}

void aml_notify(struct aml *aml, const char *object, unsigned value)
{
	put(aml, OP_NOTIFY, 1);
	aml_name(aml, object);
	aml_integer(aml, value);
}

void aml_begin_name(struct aml *aml, const char *name)
{
	put(aml, OP_NAME, 1);
	aml_name(aml, name);
}

void aml_name_integer(struct aml *aml, const char *name, uint64_t value)
{
	aml_begin_name(aml, name);
	aml_integer(aml, value);
}

void aml_name_string(struct aml *aml, const char *name, const char *text)
{
	aml_begin_name(aml, name);
	aml_string(aml, text);
}

static uint32_t hexadecimal(char digit)
{
	return digit <= '9' ? (uint32_t)(digit - '0') : (uint32_t)(digit - 'A' + 10);
}

/* Three letters in five bits each and four digits, most significant byte first (ACPI 6.5, 19.6.36). */
void aml_name_id(struct aml *aml, const char *name, const char *id)
{
	uint32_t value = 0;
	for (int i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)(id[i] - '@');
	for (int i = 3; i < 7; i++)
		value = value << 4 | hexadecimal(id[i]);
	aml_begin_name(aml, name);
	put(aml, OP_DWORD, 1);
	put(aml, __builtin_bswap32(value), 4);
}

enum { BUFFER_HEAD = LENGTH_BYTES + 3 };

size_t aml_resources(struct aml *aml, const char *name)
{
	aml_begin_name(aml, name);
	put(aml, OP_BUFFER, 1);
	size_t begin = begin_length(aml);
	put(aml, OP_WORD, 1);
	put(aml, 0, 2); /* its size */
	return begin;
}

void aml_resources_end(struct aml *aml, size_t begin)
{
	put(aml, RESOURCE_END, 2); /* no checksum */
	aml_end(aml, begin);
	if (aml->is_full)
		return;
	uint16_t size = (uint16_t)(aml->size - begin - BUFFER_HEAD);
	memcpy(aml->data + begin + BUFFER_HEAD - 2, &size, sizeof(size));
}

void aml_memory(struct aml *aml, uint32_t base, uint32_t size)
{
	enum { LENGTH = 9, WRITABLE = 1 };
	put(aml, RESOURCE_MEMORY | LENGTH << 8 | WRITABLE << 24, 4);
	put(aml, base, 4);
	put(aml, size, 4);
}

void aml_ports(struct aml *aml, uint16_t base, uint8_t count)
{
	enum { DECODES_16_BITS = 1, ALIGNMENT = 1 };
	put(aml, RESOURCE_PORTS | DECODES_16_BITS << 8, 2);
	put(aml, base, 2);
	put(aml, base, 2);
	put(aml, ALIGNMENT | (unsigned)count << 8, 2);
}

void aml_line(struct aml *aml, uint32_t line, bool is_edge)
{
	enum { LENGTH = 6, CONSUMER = 1, EDGE = 2, COUNT = 1 };
	put(aml, RESOURCE_INTERRUPT | LENGTH << 8, 3);
	put(aml, CONSUMER | (is_edge ? EDGE : 0) | COUNT << 8, 2);
	put(aml, line, 4);
}

/* Both ends are fixed, positive decode; memory can be read and written, ports are all. */
static void put_range(struct aml *aml, uint8_t kind, uint32_t first, uint32_t last, size_t width)
{
	enum { FIXED = 0x0c, KIND_MEMORY = 0, KIND_PORTS = 1, WRITABLE = 1, ALL_PORTS = 3, VALUES = 5 };
	const unsigned detail = kind == KIND_MEMORY ? WRITABLE : kind == KIND_PORTS ? ALL_PORTS : 0;
	put(aml, 3 + VALUES * width, 2);
	put(aml, kind | FIXED << 8 | detail << 16, 3);
	put(aml, 0, width); /* granularity */
	put(aml, first, width);
	put(aml, last, width);
	put(aml, 0, width); /* translation */
	put(aml, last - first + 1, width);
}

void aml_range_16(struct aml *aml, uint8_t kind, uint16_t first, uint16_t last)
{
	put(aml, RESOURCE_RANGE_16, 1);
	put_range(aml, kind, first, last, 2);
}

void aml_range_32(struct aml *aml, uint8_t kind, uint32_t first, uint32_t last)
{
	put(aml, RESOURCE_RANGE_32, 1);
	put_range(aml, kind, first, last, 4);
}
